"""The command that makes each kind of run."""

COMMANDS = {
    "reproduce": "make reproduce FULL=1",
    "measure": "make measure",
    "peers": "make bench-peers",
    "interpreters": "make interpreters",
    "ladder": "make ladder",
    "ladder-offline": "make ladder-offline",
    "breakdown": "make breakdown",
    "tracing": "make tracing",
    "workloads": "make workloads",
    "scaling": "make scaling",
    "open-loop": "make open-loop",
    "upstream": "make upstream",
    "crossover": "make crossover",
    "compare": "make compare BEFORE=REVISION",
    "soak": "make soak ARGS=--record",
    "idle": "make idle ARGS=--record",
    "eager": "make eager",
    "traces": "make trace-pictures",
}
