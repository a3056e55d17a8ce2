"""Gathering what is left of a scenario once its daemon has stopped."""

import json
from collections.abc import Mapping, Sequence

from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator import demo_traces as traces
from serbero.simulator.demo_record import OUR_ENVELOPES
from serbero.simulator.scenario_ladder import NOTHING_WATCHED
from serbero.simulator.scenario_scene import Scene
from serbero.simulator.scenario_verdict import Evidence, Received
from serbero.simulator.scenario_world import World
from serbero.simulator.solver import Message

_WORDS = ("buyer_clarification", "seller_clarification", "suggested_action_detail", "rationale")
_WORDS_OF_SUMMARY = ("summary", "suggested_next_step", "rationale")

Post = Mapping[str, Sequence[Message]]
"""Everything the relay holds for each solver, by name."""


async def read_post(world: World) -> Post:
    """Ask the relay for the solvers' messages, as a device does that was offline.

    Raises:
        PeerError: it did not answer.
        NotReadable: it holds a wrap that cannot be opened.
    """
    return {
        person.name: [
            each
            for each in await person.all_events(world.relay_url)
            if each.sender == world.serbero
        ]
        for person in world.people
    }


async def on_relay(scene: Scene) -> dict[Party, int]:
    """How many events the relay holds of each party's chat with Serbero.

    Raises:
        PeerError: it did not answer.
    """
    world = scene.world
    return {
        party: len(await traces.events_of_chat(world.relay_url, client, world.serbero))
        for party, client in scene.clients.items()
    }


def wanted_on_relay(scene: Scene) -> dict[Party, int]:
    """How many there must be: what the party read, in its envelopes, and what it wrote to us.

    The first message goes out in every envelope, later ones in that which the party wrote in.
    """
    wanted = {}
    for party, client in scene.clients.items():
        read = len(client.heard)
        written = sum(writer is party for writer, _ in scene.written)
        envelopes = OUR_ENVELOPES[scene.world.protocol] + read - 1 if read else 0
        wanted[party] = envelopes + written
    return wanted


async def gather(scene: Scene, post: Post) -> Evidence:
    """Put together what was seen of a scene.

    Raises:
        PeerError: the relay did not answer.
        StoreError: the database cannot be read.
        OSError: a file cannot be read.
    """
    world, dispute_id = scene.world, scene.dispute_id
    await world.look()
    ours = [
        each for each in world.node.desk.received if world.serbero in {each.identity, each.author}
    ]
    watch = NOTHING_WATCHED if world.sleeper is None else await world.watch(dispute_id)
    return Evidence(
        case=await world.case(dispute_id),
        letters={
            name: [
                Received(each.rumor_id, each.text)
                for each in messages
                if dispute_id and dispute_id in each.text
            ]
            for name, messages in post.items()
        },
        others={
            name: [
                Received(each.rumor_id, each.text)
                for each in messages
                if not dispute_id or dispute_id not in each.text
            ]
            for name, messages in post.items()
        },
        watch=watch,
        when_acked=scene.when_acked,
        heard={
            party: [Received(each.inner_id, each.text) for each in client.deliveries]
            for party, client in scene.clients.items()
        },
        on_relay=await on_relay(scene),
        wanted_on_relay=wanted_on_relay(scene),
        actions=[each.action or each.outcome or "unreadable" for each in ours],
        takes=[
            "nothing yet" if each.outcome is None else each.outcome.value
            for each in ours
            if each.subject == dispute_id
        ],
        leaks=await traces.leaks(
            world.database_path, world.log_path, traces.secrets_of(scene.order), _unsaid(scene)
        ),
    )


def _unsaid(scene: Scene) -> dict[str, str]:
    """What the log may not hold, by what people call it."""
    words = dict(scene.world.secrets)
    for party in Party:
        for number, text in enumerate(scene.script.lines(party), 1):
            words[f"the {party}'s words ({number})"] = text
    for number, text in enumerate(scene.commands, 1):
        words[f"a solver's words ({number})"] = text
    for call in scene.calls:
        if call.said is None:
            continue
        summarises = call.asked.purpose is Purpose.SUMMARIZE
        said = json.loads(call.said)
        for name in _WORDS_OF_SUMMARY if summarises else _WORDS:
            if text := said.get(name):
                words[f"the model's words ({name})"] = text
    return words
