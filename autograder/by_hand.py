"""What a person gives an answer belongs to the text that was read: another text waits to be read, and may come back.

Which attempt counts can change with the next submission, another policy or a mended check, and the gradebook has one
row for all attempts. So a table beside the rows holds, for each answer that a person grades, which text the score, the
extra credit and the comment in its rows are for, and what was given to other texts. It lies in the gradebook: it is
written in the transaction of the rows, and a copy of the gradebook has both.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from autograder import submission
from autograder.attempts import NOTE
from autograder.submission import Template

GIVEN = ("manual_score", "extra_credit", "needs_manual_grade")      # and the comment, which has a row of its own


def texts(template: Template, notebook: str) -> dict[str, str]:
    """What a person reads of a graded notebook's JSON, for each cell that a person grades, as a hash.

    That is the answer and the cells that the student put behind it; for a task, all cells that the student added.
    """
    asked = [spec for spec in template.cells if spec.points is not None and not spec.test]
    if not asked:
        return {}
    place, added = "", []
    behind: dict[str, list[str]] = {}
    for cell in json.loads(notebook)["cells"]:
        source, about = "".join(cell["source"]), cell["metadata"].get("nbgrader")
        if about:
            place = about["grade_id"]
        elif cell.get("id") != NOTE:
            added.append(source)
        behind.setdefault(place, []).append(source)
    return {spec.name: submission.digest(behind[spec.name] if spec.solution else added) for spec in asked}


def follow(db: Any, grade: Any, comment: Any, text: str) -> bool | None:
    """Have nbgrader's rows of an answer hold what was given to `text`, once some was, and keep what another text had.

    Returns whether what they hold is for this text; None where nobody knows, because no text was noted before. Nothing
    is committed.
    """
    from sqlalchemy import select

    table = _table()
    table.create(db.connection(), checkfirst=True)
    mine = (table.c.notebook_id == grade.notebook_id) & (table.c.cell_id == grade.cell_id)
    known = {row.text: row for row in db.execute(select(table).where(mine))}
    shown = next((row.text for row in known.values() if row.shown), None)
    if shown == text:
        return True
    if shown:
        now = {name: getattr(grade, name) for name in GIVEN}
        now["manual_comment"] = comment.manual_comment if comment else None
        db.execute(table.update().where(mine, table.c.text == shown).values(shown=False, **now))
    before = known.get(text)
    if before is None:
        db.execute(table.insert().values(notebook_id=grade.notebook_id, cell_id=grade.cell_id, text=text, shown=True))
        return False if shown else None
    db.execute(table.update().where(mine, table.c.text == text).values(shown=True))
    if before.manual_score is None and not before.extra_credit and not before.manual_comment:
        return False                        # nobody had read it: what another text got stays until somebody does
    for name in GIVEN:
        setattr(grade, name, getattr(before, name))
    if comment:
        comment.manual_comment = before.manual_comment
    return True


@cache
def _table() -> Any:
    from sqlalchemy import Boolean, Column, Float, MetaData, String, Table, Text

    return Table("autograder_by_hand", MetaData(), Column("notebook_id", String(32), primary_key=True),
                 Column("cell_id", String(32), primary_key=True), Column("text", String(32), primary_key=True),
                 Column("shown", Boolean, nullable=False), Column("manual_score", Float), Column("extra_credit", Float),
                 Column("needs_manual_grade", Boolean), Column("manual_comment", Text))
