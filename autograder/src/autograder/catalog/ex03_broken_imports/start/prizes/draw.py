"""Draw the winner of the week: any of 500 tickets, and what it wins."""

import random

ticket = random.randint(1, 500)
print(f"Ticket {ticket} wins {random.prize_for(ticket)}.")
