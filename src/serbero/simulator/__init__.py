"""Everything Serbero talks to, over real sockets: relay, node, solvers, and a hostile network.

``serbero demo``, the tests and the benchmarks stand on it; the daemon never imports it.

- :mod:`~serbero.simulator.relay`: a real relay on the loopback interface
- :mod:`~serbero.simulator.proxy`: a WebSocket proxy that misbehaves on demand, with the
  catalogue in :mod:`~serbero.simulator.faults`
- :mod:`~serbero.simulator.node`: a Mostro node; :mod:`~serbero.simulator.events` builds what it
  publishes, :mod:`~serbero.simulator.malformed` what nobody should
- :mod:`~serbero.simulator.desk`: what the node does on request, what it remembers of every event
  and how it misbehaves (:mod:`~serbero.simulator.node_log`)
- :mod:`~serbero.simulator.party`: a buyer or seller who hears the node and chats with the solver;
  :mod:`~serbero.simulator.party_hostile`: what a hostile one does
- :mod:`~serbero.simulator.solver`: a solver's inbox that remembers what came;
  :mod:`~serbero.simulator.solver_client`: a solver who takes and closes disputes at the node
- :mod:`~serbero.simulator.peer`, :mod:`~serbero.simulator.bare`: the clients below them
- :mod:`~serbero.simulator.clock`: time that tests own
"""
