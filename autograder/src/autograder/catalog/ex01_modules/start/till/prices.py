"""What things cost."""

TEA = "3.80"
CAKE = "4.25"
