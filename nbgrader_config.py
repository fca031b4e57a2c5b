"""How nbgrader runs this course: `nbgrader generate_assignment`, `autograde`, `generate_feedback` work from this folder as ever.

An exercise is one assignment with one notebook, both named by the exercise's id.
Learners hand in that notebook with the `.snapshot` beside it; the snapshot is what is graded.
"""

from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader puts it here

root = Path(__file__).resolve().parent
grading = root / ".grading"  # ignored by git: submissions, gradebook, feedback
grading.mkdir(exist_ok=True)

c.CourseDirectory.course_id = "wheelhouse"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = ".grading/submitted"
c.CourseDirectory.autograded_directory = ".grading/autograded"
c.CourseDirectory.feedback_directory = ".grading/feedback"
c.CourseDirectory.db_url = f"sqlite:///{grading / 'gradebook.db'}"

# What never travels: an environment is thousands of files, and links in it lead to the machine's own Python.
c.CourseDirectory.ignore = [
    *(".ipynb_checkpoints", "__pycache__", "*.pyc", "feedback", "*.refused"),
    *(".venv", "venv", ".git", "dist", "build", "*.egg-info", "labs"),
]
c.CourseDirectory.max_file_size = 15_000  # kB; a snapshot is a few, and at most 14,000
c.CourseDirectory.max_dir_size = 20_000  # kB

# An answer cell begins with %%shell, so nbgrader's own `raise NotImplementedError()` would be no command.
c.ClearSolutions.code_stub = {"python": "# Type your commands here, or in the shell beside this page."}

# Grading starts no kernel and runs no learner's cell: points and reasons come from the snapshot.
c.Autograde.exporter_class = "autograder.nbgrader_plugin.SubmissionReader"
c.Autograde.pre_convert_hook = "autograder.nbgrader_plugin.set_links_aside"
c.Autograde.sanitize_preprocessors = [
    "autograder.nbgrader_plugin.RestoreNotebook",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.nbgrader_plugin.GradeSnapshot",
    "autograder.nbgrader_plugin.SaveScores",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

c.GenerateFeedback.exporter_class = "autograder.nbgrader_plugin.FeedbackPage"  # loads nothing from elsewhere

# What lies in an exchange that learners can write to is neither followed nor believed: `nbgrader collect`, and formgrader's button.
c.ExchangeFactory.release_assignment = "autograder.nbgrader_release.CleanRelease"  # not what the instructor tried
c.ExchangeFactory.collect = "autograder.nbgrader_collect.SafeCollect"
