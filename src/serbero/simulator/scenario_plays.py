"""What happens in each scenario, in order. Whatever is not the parties' doing is Serbero's own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from serbero.model.mediation import SessionState
from serbero.model.party import Party
from serbero.simulator.demo_story import Tone
from serbero.simulator.scenario_duty import acknowledges, called, handed_off, read_back
from serbero.simulator.scenario_letters import Letter
from serbero.simulator.scenario_scene import Scene
from serbero.simulator.scenario_script import Scenario
from serbero.simulator.scenario_words import ending, why_it_stopped

Play = Callable[[Scene], Awaitable[None]]


async def cooperative(scene: Scene) -> None:
    """Two rounds, a summary, and a person who settles."""
    await _begin(scene, whole=True)
    await scene.answers(1)
    await scene.asked(2)
    await scene.answers(2)
    await _summarised(scene)
    await _person_closes(scene)


async def unresponsive(scene: Scene) -> None:
    """The seller never answers."""
    await _begin(scene)
    await scene.answers(1)
    scene.say("seller", "writes nothing")
    await _handed_over(scene)


async def conflicting(scene: Scene) -> None:
    """Two accounts that exclude each other."""
    await _begin(scene)
    await scene.answers(1)
    await _handed_over(scene)


async def fraud(scene: Scene) -> None:
    """Nothing is taken at all."""
    await scene.opens()
    case = await scene.until_case(
        lambda case: case.trigger is not None and not case.pending,
        "the dispute is handed over without a take",
    )
    await scene.tell(Letter.ESCALATED_UNTAKEN, "is asked to look at it", show=True)
    scene.say("serbero", f"stops: {ending(case)}")
    scene.say("serbero", why_it_stopped(case), Tone.QUIET)


async def injection(scene: Scene) -> None:
    """A fooled model, and words that go nowhere."""
    await _begin(scene)
    await scene.answers(1)
    await scene.until(
        lambda: any(call.asked.rounds for call in scene.calls), "the model is asked once more"
    )
    for party in Party:
        scene.say("model", f'would tell the {party.value}: "{scene.proposed(party)}"', Tone.QUIET)
    await _handed_over(scene)


async def human_please(scene: Scene) -> None:
    """A party asks for a person, in Spanish."""
    await _begin(scene)
    await scene.answers(1)
    await _handed_over(scene)


async def takeover(scene: Scene) -> None:
    """A person takes the dispute over between question and answer."""
    await _begin(scene)
    await scene.answers(1)
    await scene.until_case(
        lambda case: bool(case.heard.get(Party.BUYER)), "Serbero hears the buyer"
    )
    scene.say("serbero", "has heard the buyer, and waits for the seller", Tone.QUIET)
    await scene.taken_over()
    case = await scene.ended(SessionState.CLOSED)
    await scene.tell(
        Letter.BRIEF,
        "gets a brief, since the chat is closed to others",
        show=True,
        to=scene.world.writer,
    )
    _stopped_at(scene, ending(case), why_it_stopped(case))


async def provider_down(scene: Scene) -> None:
    """The model comes back a little later."""
    await scene.opens()
    await scene.until(lambda: scene.refusals, "Serbero finds that the model does not answer")
    scene.nothing_was_taken()
    scene.say("serbero", "has told both solvers all the same; it takes nothing, and tries again")
    scene.down = False
    scene.say("model", "is back")
    await _asks(scene)
    await scene.answers(1)
    await _summarised(scene)


async def restart(scene: Scene) -> None:
    """Killed after the questions; the answers wait for the next process."""
    await _begin(scene)
    await scene.until_case(lambda case: not case.pending, "everything is sent")
    world = scene.world
    scene.say("serbero", f"pid {world.daemon.pid} is killed (SIGKILL), in the middle of it")
    await world.daemon.kill()
    await scene.answers(1)
    scene.say("relay", "keeps both answers; nobody reads them", Tone.QUIET)
    await world.start()
    scene.say("serbero", f"starts again as pid {world.daemon.pid} on the same database")
    await _summarised(scene)
    await _person_closes(scene)


async def escalation(scene: Scene) -> None:
    """Nobody is let go before a person has it."""
    await _begin(scene)
    await scene.answers(1)
    case = await scene.ended(SessionState.ESCALATION_RECOMMENDED)
    _stopped_at(scene, ending(case), why_it_stopped(case))
    await handed_off(scene)
    await called(scene)
    await acknowledges(scene)
    await scene.taken_over()
    await scene.tell(Letter.BRIEF, "gets a brief of what was said", to=scene.world.writer)
    await scene.settled()
    await scene.tell(Letter.REPORT, "gets the final report")
    await scene.until_case(lambda case: not case.pending, "everything is sent")
    await read_back(scene)


PLAYS: Final[Mapping[Scenario, Play]] = {
    Scenario.COOPERATIVE: cooperative,
    Scenario.UNRESPONSIVE: unresponsive,
    Scenario.CONFLICTING: conflicting,
    Scenario.FRAUD: fraud,
    Scenario.INJECTION: injection,
    Scenario.HUMAN_PLEASE: human_please,
    Scenario.TAKEOVER: takeover,
    Scenario.PROVIDER_DOWN: provider_down,
    Scenario.RESTART: restart,
    Scenario.ESCALATION: escalation,
}


# What they are made of.


async def _begin(scene: Scene, *, whole: bool = False) -> None:
    await scene.opens()
    await _asks(scene, whole=whole)


async def _asks(scene: Scene, *, whole: bool = False) -> None:
    await scene.taken()
    await scene.asked(1, whole=whole)


async def _handed_over(scene: Scene) -> None:
    case = await scene.ended(SessionState.ESCALATION_RECOMMENDED)
    await scene.tell(Letter.ESCALATED, "is asked to take over", show=True)
    _stopped_at(scene, ending(case), why_it_stopped(case))


async def _summarised(scene: Scene) -> None:
    await scene.tell(Letter.SUMMARY, "gets the summary", show=True)
    case = await scene.ended(SessionState.CLOSED)
    _stopped_at(scene, ending(case), why_it_stopped(case))


async def _person_closes(scene: Scene) -> None:
    await scene.taken_over()
    await scene.settled()
    await scene.tell(Letter.REPORT, "gets the final report", show=True)


def _stopped_at(scene: Scene, how: str, why: str) -> None:
    scene.say("serbero", f"stops: {how}")
    scene.say("serbero", why, Tone.QUIET)
