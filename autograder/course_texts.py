"""The files of a new course that are not made from an assignment: settings, nbgrader's configuration, .gitignore."""

COURSE_TOML = """\
# Settings of this course. Both `autograder grade` and `nbgrader autograde` read them.

[course]
name = {name}

[late]
policy = "none"         # none: late work counts in full; zero: it counts 0. Due dates are set in the formgrader.
                        # For another rule, name an nbgrader plugin of yours in nbgrader_config.py.

[attempts]              # each changed submission that is graded is one; all are kept in .autograder/attempts
policy = "last"         # which one counts: last, best (the highest score) or first
limit = 0               # how many count; 0: all

[sandbox]
layer = "auto"          # auto takes the best that this machine has (autograder doctor shows it); bwrap, landlock, none

[limits]                # what one student's code may use; a lower number makes a hostile class quicker to grade
draw = 2.0              # seconds for one call of a student's function
cell = 10.0             # seconds for one cell
submission = 60.0       # seconds for all notebooks of a submission together
memory = 1024           # MB
output = 1              # MB of printed text and pictures a cell
files = 16              # MB a file
threads = 1             # BLAS threads

# An assignment may have limits of its own:
# [assignments.03_rnn.limits]
# cell = 20.0
#
# Points stand in checks/ASSIGNMENT/notebook.py and checks.py; after a change there: autograder course DIR
{points}"""

NBGRADER_CONFIG = '''\
"""nbgrader's view of this course; made by `autograder course`. Your own settings may follow at the end."""
import tomllib
from pathlib import Path

c = get_config()                                                    # noqa: F821 (nbgrader provides it)
root = Path(__file__).resolve().parent
settings = tomllib.loads((root / "course.toml").read_text(encoding="utf-8"))

c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = settings["course"]["name"]
c.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"

# The student's code runs in the sandbox and the checks outside of it. Without these two lines the hidden tests run in
# the student's own process: honest work gets the same scores, and dishonest work any score it likes.
c.Autograde.sanitize_preprocessors = [
    "autograder.nbgrader_plugin.RebuildSubmission",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.nbgrader_plugin.HardenedExecute",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.LateSubmissionPlugin.penalty_method = settings["late"]["policy"]

# Feedback pages: no hidden tests, no script of a student's, and what was resolved since the last attempt. Markdown is
# cleaned after it was rendered; see autograder/feedback_plugin.py.
c.SanitizeHTML.enabled = True
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"markdown2html": "autograder.feedback_plugin.markdown2html"}
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "autograder.feedback_plugin.SinceLastAttempt",
    "nbgrader.preprocessors.ClearHiddenTests",
    "autograder.feedback_plugin.SanitizeOutputs",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    "autograder.feedback_plugin.Style",
]
'''

GITIGNORE = """\
# Secrets, grades and students' work stay out of version control.
.autograder/
gradebook.db*
submitted/
autograded/
feedback/
reports/
exports/
"""
