"""The scenarios by name, in the order in which `all` runs them."""

from bench.scenario import Scenario
from bench.scenarios import auth, backlog, cold_start, history, idle, memory, sending

SCENARIOS: dict[str, Scenario] = {
    s.name: s
    for s in (
        *(*sending.SCENARIOS, *auth.SCENARIOS, idle.SCENARIO),
        *(memory.SCENARIO, backlog.SCENARIO, cold_start.SCENARIO, history.SCENARIO),
    )
}
