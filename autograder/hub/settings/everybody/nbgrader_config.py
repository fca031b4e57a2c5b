"""nbgrader for everybody in the class: where the exchange is, and what the course is called."""

import os

c = get_config()  # noqa: F821 - nbgrader puts it here

c.CourseDirectory.course_id = "wheelhouse"
# Everybody may write here, since learners hand in as themselves; so what lies there is nobody's word.
c.Exchange.root = os.environ.get("WHEELHOUSE_EXCHANGE", "/srv/nbgrader/exchange")
c.ExchangeFactory.collect = "autograder.nbgrader_collect.SafeCollect"
