"""The Forums Open d'État, from a question asked to a commitment kept.

Read in this order. `app` lists every address. `models` is what is remembered. Then one module per
word of the trade holds its rules and its queries: `action_plan`, `lineage`, `evaluations`,
`amendments`, `consultations`, `schedule`, `agenda`, `registrations`, `questions`, `answers`,
`minutes`, `drafts`, `follow_ups`, `subscriptions`, `members`, `openid`, `privacy`; `steps`, `due_dates` and
`accountability` derive what is due and what was never examined, `news` what happened in public, `search`
finds it, `open_data` gives it all away. `limits` counts what may not be done without end. `calendar_feed`, `news_feed`, `event_markup` and
`emails` make what leaves the house, `outbox` delivers it, `attendance_list` prints it, `clock` does what falls
due, `backups` keeps a copy. `pages` shows all of it, `metrics` and `checking` tell operators, `cli` is the
`forums` command.

Imports run one way: settings, models, database, calendar_feed, emails, outbox, the words, pages,
app and cli; `tests/test_architecture.py` holds it.
"""

import sys

# Every SQLite from 3.7.0 to 3.51.2 may corrupt a WAL database that several processes write and
# checkpoint. The one brought along must be in place before anything imports the system's.
try:
    import pysqlite3
except ImportError:  # no wheel for this machine: database.py then refuses WAL
    pass
else:
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

__version__ = "0.2.0"
