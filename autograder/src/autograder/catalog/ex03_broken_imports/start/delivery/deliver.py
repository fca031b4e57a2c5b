"""Print the label of one parcel."""

from customer import Customer

ada = Customer("Ada", "3 Mill Lane")
print(ada.buy("Tea", 320).label(ada))
