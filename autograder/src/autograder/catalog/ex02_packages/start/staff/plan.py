"""Who works today, and for how much: one package, kept in two places."""

from crew.rota import on_duty
from crew.wages import pay

for name, hours in on_duty().items():
    print(f"{name}: {hours} h, {pay(name, hours):.2f} EUR")
