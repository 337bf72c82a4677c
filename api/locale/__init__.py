"""The languages of people: what pages, reports, notices and the command line say to them.

English is written in the code and in the templates; every other language is a set of gettext
catalogues beside this module, one for each face, so that ``report.po`` holds what reports say.
"""

from api.locale.catalogue import LANGUAGES, translations
from api.locale.durations import signed, spelt
from api.locale.phrasebook import told
from api.locale.speaking import _, language, ngettext, noted, pgettext, speak, speaking
from api.locale.times import (
    day,
    day_and_minute,
    day_and_time,
    hour_and_minute,
    long_day,
    of_plan,
    time_of_day,
)

__all__ = [
    "LANGUAGES",
    "_",
    "day",
    "day_and_minute",
    "day_and_time",
    "hour_and_minute",
    "language",
    "long_day",
    "ngettext",
    "noted",
    "of_plan",
    "pgettext",
    "signed",
    "speak",
    "speaking",
    "spelt",
    "time_of_day",
    "told",
    "translations",
]
