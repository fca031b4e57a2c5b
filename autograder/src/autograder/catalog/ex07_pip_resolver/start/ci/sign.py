"""The sign at the door."""

import opening_hours
from hours_backport import closes

print("We close at", closes("Monday"))
print("open now" if opening_hours.is_open("Monday", 10) else "closed now")
