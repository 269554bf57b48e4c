"""The plan of a run: interleaved, repeated where disturbed, continued where interrupted. No server
is started and no load is made: both are fakes."""

import contextlib
import io
import unittest
import unittest.mock

import support
from driver import blocks, results
from driver.blocks import Configuration, Run, order
from driver.figures import Figures
from driver.procfs import Usage
from driver.servers import ServerError, Spec

A, B, C = (Configuration(name) for name in "abc")
WARM_UP = blocks.WARM_UP_SECONDS
SECONDS = 3  # differs from the warm-up's, so that a fake can tell them apart


class FakeServer:
    """Remembers that it was stopped, and for how long it was asked."""

    def __init__(self, spec, cpus):
        self.spec, self.cpus, self.stopped, self.asked = spec, cpus, 0, []

    def ask_for(self, seconds):
        self.asked.append(seconds)

    def stop(self):
        self.stopped += 1


class FakeMachine:
    """Starts fake servers; answers each measured block from a script, or with the same figures."""

    def __init__(self, script=()):
        self.script = list(script)  # figures to return, or exceptions to raise, block by block
        self.servers, self.measured, self.warm_ups, self.connections = [], [], [], []

    def start(self, spec, cpus):
        self.servers.append(FakeServer(spec, cpus))
        return self.servers[-1]

    def measure_block(self, server, seconds, configuration, _wrk_cpus):
        if seconds == WARM_UP:
            self.warm_ups.append(server.spec.name)
            return support.figures()
        self.measured.append(server.spec.name)
        self.connections.append(configuration.connections)
        step = self.script.pop(0) if self.script else support.figures()
        if isinstance(step, BaseException):
            raise step
        return dict(step)


class RunTest(support.WithFolder):
    def run_of(self, machine, configurations=(A, B, C), rounds=2, fingerprint="f", **more):
        specs = {c.server: Spec(c.server, ("true",)) for c in configurations}
        return Run(specs, configurations, rounds, SECONDS, "partial.json", fingerprint,
                   folder=self.folder, start=machine.start, measure_block=machine.measure_block,
                   **more)

    def measure(self, run):
        """Quietly; returns what was said."""
        said = io.StringIO()
        run._progress.stream, run._progress.overwrite = said, False
        run.measure()
        return said.getvalue()


class Order(RunTest):
    def test_rounds_run_forwards_and_backwards_in_turn(self):
        self.assertEqual(order((A, B, C), 1), [A, B, C])
        self.assertEqual(order((A, B, C), 2), [C, B, A])
        machine = FakeMachine()
        self.measure(self.run_of(machine, rounds=3))
        self.assertEqual("".join(machine.measured), "abccbaabc")

    def test_every_block_says_which_it_is(self):
        run = self.run_of(FakeMachine())
        self.measure(run)
        self.assertEqual([(b["round"], b["key"]) for b in run.blocks],
                         [(1, A.key), (1, B.key), (1, C.key), (2, C.key), (2, B.key), (2, A.key)])

    def test_keys_tell_all_configurations_apart(self):
        every = [Configuration("a", p, x, connections=n) for p in ("pinned", "unpinned")
                 for x in (False, True) for n in (1, 10, 100)]
        self.assertEqual(len({c.key for c in every}), len(every))

    def test_a_configuration_says_how_many_connections_there_are(self):
        machine = FakeMachine()
        self.measure(self.run_of(machine, (A, Configuration("a", connections=1)), rounds=1))
        self.assertEqual(machine.connections, [100, 1])

    def test_each_configuration_is_warmed_up_once(self):
        machine = FakeMachine()
        self.measure(self.run_of(machine, rounds=3))
        self.assertEqual("".join(machine.warm_ups), "abc")

    def test_a_server_stays_up_and_is_stopped_once(self):
        machine = FakeMachine()
        both = (A, Configuration("a", pipelined=True), Configuration("a", "unpinned"))
        self.measure(self.run_of(machine, both, rounds=3))
        self.assertEqual(len(machine.servers), 2)  # one a placement
        self.assertEqual([server.stopped for server in machine.servers], [1, 1])
        self.assertIsNone(machine.servers[1].cpus)


    def test_a_server_is_stopped_when_nothing_more_is_asked_of_it(self):
        machine = FakeMachine()
        stopped = []

        def measure(server, seconds, configuration, cpus):
            stopped.append([s.spec.name for s in machine.servers if s.stopped])
            return machine.measure_block(server, seconds, configuration, cpus)

        run = self.run_of(machine, rounds=2, brief_warm_up=True)
        run.measure_block = measure
        self.measure(run)
        self.assertEqual(stopped, [[], [], [], [], ["c"], ["b", "c"]])

    def test_some_are_measured_in_the_first_round_only(self):
        machine = FakeMachine()
        once = Configuration("b", once=True)
        run = self.run_of(machine, (A, once, C), rounds=3)
        self.measure(run)
        self.assertEqual("".join(machine.measured), "abccaac")
        figures = Figures(run.blocks, [c.key for c in run.configurations], [once.key])
        self.assertEqual(figures.rounds, 3)
        self.assertEqual(len(figures.values(once.key, "rps")), 1)
        self.assertEqual(set(figures.summary()), {A.key, C.key})
        run.blocks = [b for b in run.blocks if b["key"] != once.key]
        self.assertEqual(Figures(run.blocks, [A.key, once.key], [once.key]).rounds, 2)

    def test_a_brief_warm_up_is_one_a_server_and_no_block(self):
        machine = FakeMachine()
        self.measure(self.run_of(machine, (A, Configuration("a", connections=1), B), rounds=2,
                                 brief_warm_up=True))
        self.assertEqual(machine.warm_ups, [])
        self.assertEqual([server.asked for server in machine.servers],
                         [[blocks.BRIEF_WARM_UP_SECONDS]] * 2)


class Guard(RunTest):
    def shares(self, *shares):
        return [support.figures(others_share=share) for share in shares]

    def test_a_quiet_block_is_measured_once(self):
        machine = FakeMachine(self.shares(blocks.OTHERS_LIMIT))
        run = self.run_of(machine, (A,), rounds=1)
        self.measure(run)
        self.assertEqual(len(machine.measured), 1)
        self.assertEqual((run.blocks[0]["disturbed"], run.blocks[0]["rejected"]), (False, []))

    def test_a_disturbed_block_is_measured_again_and_kept_beside(self):
        machine = FakeMachine(self.shares(0.5, 0.01))
        run = self.run_of(machine, (A,), rounds=1)
        said = self.measure(run)
        self.assertIn("other load took 50%", said)
        self.assertEqual(run.blocks[0]["others_share"], 0.01)
        self.assertFalse(run.blocks[0]["disturbed"])
        self.assertEqual([b["others_share"] for b in run.blocks[0]["rejected"]], [0.5])

    def test_after_three_repeats_the_least_disturbed_is_kept_and_flagged(self):
        machine = FakeMachine(self.shares(0.5, 0.2, 0.4, 0.3, 0.01))
        run = self.run_of(machine, (A,), rounds=1)
        self.measure(run)
        self.assertEqual(len(machine.measured), 1 + blocks.MAX_REPEATS)
        self.assertEqual(run.blocks[0]["others_share"], 0.2)
        self.assertTrue(run.blocks[0]["disturbed"])
        self.assertEqual([b["others_share"] for b in run.blocks[0]["rejected"]], [0.5, 0.4, 0.3])

    def test_a_run_that_must_end_soon_repeats_nothing(self):
        machine = FakeMachine(self.shares(0.5, 0.5))
        run = self.run_of(machine, (A,), rounds=2, time_limit=0)
        self.measure(run)
        self.assertEqual(len(machine.measured), 2)
        self.assertTrue(all(block["disturbed"] for block in run.blocks))


class Resume(RunTest):
    def interrupted(self, after, **more):
        """A run that Ctrl-C ended in the block after so many."""
        machine = FakeMachine([support.figures()] * after + [KeyboardInterrupt()])
        run = self.run_of(machine, **more)
        with self.assertRaises(KeyboardInterrupt):
            self.measure(run)
        return run, machine

    def test_an_interrupted_run_keeps_its_blocks_and_stops_its_servers(self):
        run, machine = self.interrupted(after=4)
        self.assertEqual(len(run.blocks), 4)
        self.assertEqual([server.stopped for server in machine.servers], [1, 1, 1])

    def test_the_next_run_measures_what_is_missing(self):
        self.interrupted(after=4)
        machine = FakeMachine()
        run = self.run_of(machine)
        self.assertEqual(run.resume(), 4)
        self.measure(run)
        self.assertEqual("".join(machine.measured), "ba")
        self.assertEqual(len({(b["round"], b["key"]) for b in run.blocks}), 6)

    def test_a_run_of_something_else_is_not_continued(self):
        self.interrupted(after=4)
        machine = FakeMachine()
        self.assertEqual(self.run_of(machine, fingerprint="rebuilt").resume(), 0)
        self.assertEqual(self.run_of(machine, (A, B)).resume(), 0)

    def test_more_rounds_may_be_asked_for_and_fewer(self):
        self.interrupted(after=4)
        self.assertEqual(self.run_of(FakeMachine(), rounds=5).resume(), 4)
        self.assertEqual(self.run_of(FakeMachine(), rounds=1).resume(), 3)

    def test_a_damaged_partial_file_is_as_none(self):
        self.interrupted(after=4)
        with open(f"{self.folder}/partial.json", "r+") as file:
            file.truncate(100)
        self.assertEqual(self.run_of(FakeMachine()).resume(), 0)

    def test_what_is_stored_elsewhere_is_forgotten(self):
        run = self.run_of(FakeMachine())
        self.measure(run)
        self.assertIsNotNone(results.load("partial.json", self.folder))
        run.forget_partial()
        self.assertIsNone(results.load("partial.json", self.folder))

    def test_a_run_that_cannot_be_stored_goes_on_and_says_so_once(self):
        machine = FakeMachine()
        run = self.run_of(machine)
        run.folder = "/dev/null/no"
        said = self.measure(run)
        self.assertEqual(len(run.blocks), 6)
        self.assertEqual(said.count("can't be continued"), 1)


class Failing(RunTest):
    def test_a_failing_server_ends_the_run_with_its_message(self):
        machine = FakeMachine([support.figures(), ServerError("b answers 500")])
        run = self.run_of(machine)
        with self.assertRaisesRegex(ServerError, "b answers 500"):
            self.measure(run)
        self.assertEqual(len(run.blocks), 1)
        self.assertTrue(all(server.stopped for server in machine.servers))

    def test_an_optional_one_is_left_out_with_all_its_blocks(self):
        machine = FakeMachine([support.figures()] * 4 + [ServerError("b answers 500")])
        run = self.run_of(machine, optional=("b",))
        said = self.measure(run)
        self.assertIn("left out", said)
        self.assertEqual(run.left_out, {"b": "b answers 500"})
        self.assertEqual([b["server"] for b in run.blocks], ["a", "c", "c", "a"])
        self.assertEqual(run.configurations, [A, C])

    def test_what_is_measured_once_is_left_out_alone(self):
        once, again = Configuration("b", connections=10, once=True), Configuration("b")
        machine = FakeMachine([support.figures(), ServerError("b answers 500")])
        run = self.run_of(machine, (A, once, again), rounds=2)
        said = self.measure(run)
        self.assertIn("left out", said)
        self.assertEqual(run.left_out, {once.key: "b answers 500"})
        self.assertEqual([b["key"] for b in run.blocks], [A.key, again.key, again.key, A.key])
        self.assertEqual(len(machine.servers), 3)  # another for what comes after it
        self.assertTrue(all(server.stopped == 1 for server in machine.servers))

    def test_wrong_answers_and_silence_are_failures(self):
        class Loaded:
            spec = Spec("x", ("true",))
            url = "http://127.0.0.1:9/"
            spent = iter(range(100))

            def settle(self):
                pass

            def usage(self):
                return Usage(cpu=next(self.spent))

        report = {k: v for k, v in support.figures().items()
                  if k in blocks.wrk.Report.__dataclass_fields__}
        cases = {"bad_answers": 3, "socket_errors": 2}
        for name, value in cases.items():
            with self.subTest(name), contextlib.ExitStack() as stack:
                wrong = blocks.wrk.Report(**{**report, name: value})
                stack.enter_context(unittest.mock.patch.object(
                    blocks.wrk, "run", return_value=(wrong, 0.1)))
                with self.assertRaisesRegex(ServerError, f"x failed under load.*{value} "):
                    blocks.one_block(Loaded(), 3, A, None)
        silent = blocks.wrk.Report(**{**report, "requests": 0})
        with unittest.mock.patch.object(blocks.wrk, "run", return_value=(silent, 0.1)):
            with self.assertRaisesRegex(ServerError, "x answered nothing"):
                blocks.one_block(Loaded(), 3, A, None)


if __name__ == "__main__":
    unittest.main()
