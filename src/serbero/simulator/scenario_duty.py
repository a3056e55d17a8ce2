"""What people do in a scenario while a dispute waits for one of them."""

from datetime import UTC, datetime

from serbero.model.notification import Purpose
from serbero.simulator.demo_stage import short
from serbero.simulator.demo_story import Tone
from serbero.simulator.scenario_duty_verdict import ANSWER, TYPED
from serbero.simulator.scenario_ladder import Line, Watch
from serbero.simulator.scenario_letters import Letter
from serbero.simulator.scenario_scene import Scene, SceneFailed
from serbero.simulator.scenario_world import ZONE
from serbero.simulator.solver import SolverInbox


async def handed_off(scene: Scene) -> None:
    """Both who may decide get the hand-off, awake or not; the third hears of it.

    Raises:
        SceneFailed: one of them never gets it.
    """
    world, sleeper = scene.world, _sleeper(scene)
    scene.say(sleeper.name, f"sleeps: quiet {world.quiet} ({ZONE})", Tone.QUIET)
    await scene.tell(Letter.HANDOFF, "gets the hand-off, asleep or not", to=sleeper)
    await scene.tell(Letter.HANDOFF, "gets it too; does not look", show=True, to=world.writer)
    await scene.tell(Letter.ESCALATED, "may not decide, and hears of it only", to=world.reader)


async def called(scene: Scene) -> None:
    """Who is awake is reminded, who sleeps is left alone.

    Raises:
        SceneFailed: it is otherwise.
    """
    sleeper, writer = _sleeper(scene), scene.world.writer
    await scene.tell(Letter.CALL, "is reminded", show=True, to=writer)
    watch = await scene.world.watch(scene.dispute_id)
    if (sleeper.name, Purpose.REMINDER.value) not in watch.held:
        shown = ", ".join(what for name, what in watch.held if name == sleeper.name) or "nothing"
        raise SceneFailed(
            f"expected {Purpose.REMINDER} to wait for {sleeper.name}'s digest, found {shown}"
        )
    words = f"leaves {sleeper.name} asleep, since {writer.name} is awake; it will be in the digest"
    scene.say("serbero", words, Tone.QUIET)


async def acknowledges(scene: Scene) -> None:
    """The writer says so over the relay, gets an answer, and the others are told.

    Raises:
        PeerError: the relay refused it.
        SceneFailed: there is no answer, or not the right one.
    """
    world, dispute_id = scene.world, scene.dispute_id
    writer, typed = world.writer, dispute_id[:TYPED]
    command = f"ack {typed}"
    scene.say(writer.name, f'writes to Serbero: "{command}"')
    scene.commands.append(command)
    await writer.write(world.serbero, command)
    beginning = ANSWER.format(short=typed)
    await scene.until(
        lambda: _answers(scene, writer), f"Serbero answers {writer.name}", lambda: "no answer"
    )
    answer = _answers(scene, writer)[0]
    scene.say(writer.name, "reads the answer", Tone.HEARD)
    scene.teller.letter(answer)
    if not answer.startswith(beginning):
        raise SceneFailed(f'expected an answer that says "{beginning}", found another')
    scene.when_acked = await world.watch(dispute_id)
    for person in world.people:
        if person is not writer:
            show = person is world.people[0]
            await scene.tell(Letter.WHO, f"is told that {writer.name} has it", show=show, to=person)


async def read_back(scene: Scene) -> None:
    """Tell the story once more, as it stands in the database.

    Raises:
        StoreError: it cannot be read.
    """
    world = scene.world
    watch = await world.watch(scene.dispute_id)
    for line in retold(watch, {each.public_key: each.name for each in world.people}):
        scene.say("database", line, Tone.QUIET)


def retold(watch: Watch, names: dict[str, str]) -> list[str]:
    """Return what the database says, a sentence an event."""
    lines = [
        f"{_clock(each.at)} hand-off {each.status} to {' and '.join(each.to)}"
        for each in watch.dispatches
    ]
    lines += [f"{_clock(each.at)} {said}" for each in watch.story if (said := _said(each, names))]
    lines += [f"in {name}'s next digest: {purpose}" for name, purpose in watch.held]
    lines.append("second opinion: " + ("; ".join(watch.alarms) or "all as it should be"))
    return lines


def _said(line: Line, names: dict[str, str]) -> str:
    """A journal's event in words; empty for what is no part of this."""
    about = line.payload
    match line.kind:
        case "ladder_began":
            return "the reminders begin"
        case "ladder_step":
            told, left = (_people(about[key], names) for key in ("recipients", "held"))
            return f"reminder {about['number']} to {told}, held for {left}"
        case "acknowledged":
            return f"{_people([about['solver']], names)} has it until {_clock(about['expires_at'])}"
        case "ladder_ended":
            return f"the reminders are over: {about['by']}"
        case "solver_command":
            return f"{_people([about['solver']], names)} asks: {about['command']}"
        case _:
            return ""


def _people(keys: list[str], names: dict[str, str]) -> str:
    return " and ".join(names.get(each, short(each)) for each in keys) or "nobody"


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _answers(scene: Scene, person: SolverInbox) -> list[str]:
    """What Serbero wrote to a solver beside the letters about the dispute."""
    return [
        each.text
        for each in person.messages
        if each.sender == scene.world.serbero and scene.dispute_id not in each.text
    ]


def _sleeper(scene: Scene) -> SolverInbox:
    sleeper = scene.world.sleeper
    if sleeper is None:
        raise RuntimeError("nobody sleeps in this world")
    return sleeper
