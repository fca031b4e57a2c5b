"""What was sold this week. Wants nothing from the evening report but its arithmetic."""

import report

print("Sold this week:", report.total([148500, 97250, 120075]), "cents")
