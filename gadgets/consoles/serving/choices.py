"""What is done for a console, from what it said at the beginning."""

from collections.abc import Mapping

from gadgets.consoles.fire.connection import Choice
from gadgets.consoles.fire.opening import Opening
from gadgets.consoles.jobs.desk import KEEP, LATER, MEASUREMENT, RETRIEVE, JobDesk, ticket_of
from gadgets.consoles.serving.configurations import Configurations, plain
from gadgets.errors import ParameterError
from gadgets.registry import gadget_entry

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


def choice_of(opening: Opening, configurations: Configurations, desk: JobDesk | None) -> Choice:
    """Choose a gadget and its parameters; or what the store of jobs does.

    Parameters
    ----------
    opening : Opening
    configurations : Configurations
    desk : JobDesk or None
        None where the server keeps no jobs.

    Returns
    -------
    Choice

    Raises
    ------
    ParameterError
        If something is asked for that there is not.
    DataError
        If a header is needed, and is none.
    """
    asked = opening.configuration
    of_store = {plain(name): value for name, value in opening.parameters.items() if plain(name) in (LATER, MEASUREMENT)}
    given = {name: value for name, value in opening.parameters.items() if plain(name) not in of_store}
    later = _asks_for_later(of_store)
    if desk is None:
        if later or asked in (RETRIEVE, KEEP):
            raise ParameterError("this server keeps no jobs; start it with malibu serve --jobs FOLDER")
        return _at_once(asked, given, configurations)
    ticket = ticket_of(opening.header, of_store.get(MEASUREMENT, ""))
    if asked == RETRIEVE:
        return desk.retrieve(ticket)
    if asked == KEEP:
        return desk.keep(ticket)
    before = desk.before(ticket)
    if not later:
        return _at_once(asked, given, configurations, before)
    target, configuration = configurations.chosen(asked, given)
    fast = gadget_entry(target).at_once
    if fast is None:
        return desk.later(ticket, target, configuration, None, opening.header, before)
    quick = {plain(name) for name in fast}
    others = {name: value for name, value in given.items() if plain(name) not in quick}
    at_once = _at_once(asked, others | dict(fast), configurations, before)
    return desk.later(ticket, target, configuration, at_once, opening.header, before)


def _at_once(
    asked: str, given: Mapping[str, str], configurations: Configurations, before: tuple[object, ...] = ()
) -> Choice:
    target, configuration = configurations.chosen(asked, given)
    return Choice(gadget_entry(target).make, configuration, before)


def _asks_for_later(given: dict[str, str]) -> bool:
    value = given.pop(LATER, "").strip().lower()
    if value not in _YES + _NO:
        raise ParameterError(f"{LATER} is true or false, not {value[:20]!r}")
    return value in _YES
