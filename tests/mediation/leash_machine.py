"""A model, two parties, a node, relays and a clock, pulling at the engine in any order."""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.mediation import leash_words as words
from tests.mediation.leash_engine import LedWorld
from tests.mediation.leash_file import LeashFile
from tests.mediation.leash_world import DISPUTES, Case, Exchange

from serbero.mediation.standing import Gate
from serbero.model.party import Party
from serbero.model.taking import Cause
from serbero.node.result import NoAnswer, Refused

WHICH = st.integers(0, DISPUTES - 1)
OUTPUT = st.integers(0, words.OUTPUTS - 1)
SOUND = st.integers(0, words.OUTPUTS // 6 - 1).map(lambda number: number * 6)
ANYTHING = st.integers(0, words.OUTPUTS + 99)
"""An answer of a model, or what is none."""
SAYING = st.integers(0, words.WORDS - 1)
SURPRISES: Final = ("in-progress", "settled", "initiated", "standing", "clock")
"""What may come between a question to the model, or the node, and what is made of the answer."""
HOW = st.sampled_from(
    ["well", "well", "well", "any", "any", "any", "refused", "lost", "badly", *SURPRISES[:3]]
)
MEANWHILE = st.sampled_from([None, None, None, *SURPRISES])
DEPTH = st.sampled_from([1, 5, 1, 2, 3, 4, 5, 0, 6, 7, 7])
"""Steps of a mediation: begun, judged, asked, read by the node, in a session, ready for its
summary, summarised."""
SUMMARIZES: Final = 1
"""An answer that leads to a summary, and a summary that may be delivered."""
NEGATIVE: Final = 5
"""An answer that calls a human, whenever it comes."""
SELDOM: Final = (
    "clock",
    "clock",
    "clock",
    "restart",
    "restart",
    "late",
    "old",
    "news",
    "key",
    "standing",
)
SECONDS = st.sampled_from([1, 6, 6, 31, 31, 70, 700, 1_801, 4_001, 20_001])

_files: list[LeashFile] = []


def file_of_today() -> LeashFile:
    """The one file of this process."""
    if not _files:
        _files.append(LeashFile())
    return _files[0]


class Leash(RuleBasedStateMachine):
    """A model, two parties, a node and a clock pull in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = LedWorld(file_of_today())

    def teardown(self) -> None:
        self.world.file.close()

    def case(self, which: int) -> Case:
        return self.world.cases[which]

    @initialize(depths=st.lists(DEPTH, min_size=1, max_size=2), number=SOUND)
    def disputes_are_opened(self, depths: list[int], number: int) -> None:
        """Disputes as they are after so many steps of a mediation that goes well."""
        for which, depth in enumerate(depths):
            self.world.hear(self.case(which).publish("initiated", self.world.now))
            for _ in range(min(depth, 5)):
                self.a_start_moves(which, "well", number)
            if depth > 5:
                self.a_party_writes(which, None, 0, 0, 6)
                self.the_model_speaks(SUMMARIZES, None)
            if depth > 6:
                self.the_model_speaks(SUMMARIZES, None)

    # --- the node ----------------------------------------------------------------------------

    @rule(
        which=WHICH,
        what=st.sampled_from(["in-progress", "initiated", "settled", "seller-refunded"]),
        heard=st.booleans(),
    )
    def the_node_says(self, which: int, what: str, heard: bool) -> None:
        case = self.case(which)
        if what == "in-progress":
            case.holder = "them"
        made = case.publish(what, self.world.now)
        if heard:
            self.world.hear(made)

    @rule(data=st.data())
    def revisions_are_heard(self, data: st.DataObject) -> None:
        """Whatever relays hold, in any order and any number of times."""
        published = [each for case in self.world.cases for each in case.published]
        batch = data.draw(st.lists(st.sampled_from(published), min_size=1, max_size=3))
        self.world.hear(*batch)

    # --- starting ----------------------------------------------------------------------------

    @rule(which=WHICH, hows=st.lists(HOW, min_size=1, max_size=4), number=OUTPUT)
    def a_start_goes_on(self, which: int, hows: list[str], number: int) -> None:
        if not self.case(which).published:
            self.world.hear(self.case(which).publish("initiated", self.world.now))
        for how in hows:
            self.a_start_moves(which, how, number)

    @rule(which=WHICH, hows=st.lists(HOW, min_size=2, max_size=4), number=OUTPUT)
    def a_start_goes_far(self, which: int, hows: list[str], number: int) -> None:
        self.a_start_goes_on(which, hows, number)

    def a_start_moves(self, which: int, how: str, number: int) -> None:
        """The next transaction of a dispute's start, whatever that is and whatever came before."""
        if how in SURPRISES:
            self.meanwhile(self.case(which), how)
            how = "well"
        world, case = self.world, self.case(which)
        attempt, exchange = world.memory.attempts.get(case.id), world.memory.exchanges.get(case.id)
        if attempt is None and exchange is None:
            self.a_start_begins(case, how)
        elif attempt is not None and attempt.prepared is None:
            self.a_verdict(case, how, number)
        elif attempt is not None and not attempt.asking:
            world.go_on(case.id)
        elif attempt is not None and how == "badly":
            world.lose_patience(case.id)
        elif exchange is not None:
            self.an_exchange_moves(case, exchange, how)

    def a_start_begins(self, case: Case, how: str) -> None:
        # Seen as a candidate a moment ago, it may be none any more: so begin with anything.
        if case.id in self.world.candidates() or (how == "badly" and case.published):
            gate = Gate.PENDING if how == "refused" else Gate.OPEN
            self.world.begin_start(case.id, gate)

    def a_verdict(self, case: Case, how: str, number: int) -> None:
        match how:
            case "well":
                self.world.judge(case.id, words.answer(number - number % 6))
            case "lost":
                self.world.is_unhealthy(case.id)
            case "badly":
                self.world.judge(case.id, words.silence(number))
            case _:
                self.world.judge(case.id, words.answer(number))

    def an_exchange_moves(self, case: Case, exchange: Exchange, how: str) -> None:
        if exchange.answer is None and exchange.refusal is None and how != "lost":
            self.world.node_gets_request(
                case, exchange, "not_authorized" if how == "refused" else None
            )
        elif exchange.answer is not None and how != "lost":
            self.world.conclude(case.id, exchange.answer)
        elif exchange.refusal is not None and how != "lost":
            self.world.conclude(case.id, Refused(case.id, exchange.refusal, 1))
        else:
            self.world.conclude(case.id, NoAnswer(case.id, (Cause.ANSWER_LOST,), 1))

    @rule(which=WHICH, number=SOUND)
    def a_mediation_begins(self, which: int, number: int) -> None:
        """A start that goes well, without anything in between."""
        case = self.case(which)
        if not case.published:
            self.world.hear(case.publish("initiated", self.world.now))
        for _ in range(5):
            self.a_start_moves(which, "well", number)

    # --- conversing --------------------------------------------------------------------------

    @rule(
        which=WHICH,
        party=st.sampled_from([*Party, None]),
        number=SAYING,
        dated=st.sampled_from([0, 0, -30, -5000, 50]),
        seconds=st.sampled_from([0, 6]),
    )
    def a_party_writes(
        self, which: int, party: Party | None, number: int, dated: int, seconds: int
    ) -> None:
        """One of them, or both."""
        case = self.talkative(which)
        for each in Party if party is None else [party]:
            self.world.says(case, each, number, dated)
        self.world.clock.at += seconds
        self.world.look_at_sessions()

    def talkative(self, which: int) -> Case:
        """A dispute in which somebody is there to be written to, if there is one."""
        cases = [each for each in self.world.cases if self.world.is_led(each)]
        return cases[which % len(cases)] if cases else self.case(which)

    @rule(number=ANYTHING, meanwhile=MEANWHILE)
    def the_model_speaks(self, number: int, meanwhile: str | None) -> None:
        """Or fails to, about a session as it was when it was asked, however long ago."""
        memory, silent = self.world.memory, number - words.OUTPUTS
        waiting = list(memory.summaries if number % 2 else memory.views) or [
            *memory.summaries,
            *memory.views,
        ]
        if not waiting:
            self.world.look_at_sessions()
            return
        session_id = waiting[0]
        if meanwhile is not None:
            about = self.world.checks.disputes[session_id]
            self.meanwhile(next(case for case in self.world.cases if case.id == about), meanwhile)
        if session_id in memory.summaries:
            if silent < 0:
                self.world.summarised(session_id, number)
            else:
                self.world.unsummarised(session_id, silent)
        elif silent < 0:
            self.world.evaluated(session_id, words.answer(number))
        else:
            self.world.unevaluated(session_id, silent)
        self.world.look_at_sessions()

    def meanwhile(self, case: Case, what: str) -> None:
        """Something happens to a dispute that others are busy with."""
        if what == "standing":
            self.world.lose_standing()
        elif what == "clock":
            self.world.clock.at += 20_001
            self.world.look_at_clock()
            self.world.hand_over_overdue()
        else:
            self.world.clock.at += 4
            self.the_node_says(case.number, what, True)

    @rule(which=WHICH, number=SAYING, output=ANYTHING, meanwhile=MEANWHILE)
    def a_round(self, which: int, number: int, output: int, meanwhile: str | None) -> None:
        """Both answer and fall silent, and a model is asked about it."""
        self.a_party_writes(which, None, number - number % 20, 0, 6)
        self.the_model_speaks(output, meanwhile)

    # --- time, relays, restarts --------------------------------------------------------------

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.world.clock.at += seconds

    @rule(
        taken_by=st.integers(0, 2),
        limit=st.sampled_from([100, 100, 3]),
        at_once=st.booleans(),
        which=WHICH,
        meanwhile=MEANWHILE,
    )
    def the_outbox_moves(
        self, taken_by: int, limit: int, at_once: bool, which: int, meanwhile: str | None
    ) -> None:
        """A claim, what relays say to it, or both."""
        claimed = self.world.memory.claimed is not None
        if not claimed:
            self.world.claim(limit)
        if meanwhile is not None:
            self.meanwhile(self.talkative(which), meanwhile)
        if claimed or at_once:
            self.world.answer(taken_by)

    @rule(what=st.sampled_from(SELDOM), which=WHICH)
    def something_else(self, what: str, which: int) -> None:
        world = self.world
        match what:
            case "clock" if world.memory.overdue:
                world.hand_over_overdue()
            case "clock":
                world.look_at_clock()
            case "restart":
                world.restart(another_key=False)
            case "key":
                world.restart(another_key=True)
            case "news":
                world.tell_held_news()
            case "standing":
                world.lose_standing()
            case "late" if world.late:
                world.take_up_late()
            case _:
                old = ("again", "look", "interrupt")
                world.finish_old_exchange(self.case(which), old[which % 3])

    @invariant()
    def it_is_at_rest(self) -> None:
        self.world.checks.at_rest()
