"""Handlers that compute, and more loops for them: the tables, and the bare threads beside them."""

import unittest

import support
from driver import scaled, spinners, tables
from driver.servers import ServerError


class Tables(unittest.TestCase):
    def test_each_server_does_each_work_on_each_interpreter(self):
        headers, rows, groups = scaled.table(support.scaling_run())
        self.assertEqual([name for name, *_ in groups], ["system", "3.13", "3.13t"])
        self.assertEqual(len(rows), len(scaled.SERVERS) * len(scaled.PRIMES))
        self.assertEqual({len(row) for row in rows}, {len(headers)})

    def test_more_loops_are_held_against_one(self):
        _, rows = scaled.gained(support.scaling_run())
        found = {row[0]: row[1:] for row in rows}
        self.assertEqual(found["lab2, 2 loops / lab2, 1 loop, primes below 1,000"],
                         ["1.00", "1.00", "1.50"])
        self.assertEqual(found["lab2, 4 loops / lab2, 1 loop, primes below 5,000"],
                         ["1.00", "1.00", "2.50"])
        self.assertEqual(found["lab5, 2 threads / lab5, 1 thread, primes below 5,000"],
                         ["1.00", "1.00", "1.80"])
        self.assertEqual(len(found), 16)

    def test_what_an_interpreter_can_not_have_is_left_out(self):
        _, rows = scaled.gained(support.scaling_run())
        found = {row[0]: row[1:] for row in rows}
        row = found["lab5, 2 interpreters / lab5, 1 interpreter, primes below 1,000"]
        self.assertEqual([cell != "-" for cell in row], [False, True, False])

    def test_a_second_of_cpu_time_does_as_much_with_more_workers(self):
        _, rows = scaled.efficiency(support.scaling_run())
        self.assertEqual({cell for row in rows for cell in row[1:]}, {"1.00", "-"})

    def test_the_machine_s_own_factor_is_told(self):
        run = support.scaling_run()
        self.assertIn("2 bare threads that compute in C and share nothing do 1.90 times",
                      scaled.spinners_note(run))
        del run["spinners"]
        self.assertIsNone(scaled.spinners_note(run))
        run["spinners"] = {"1": [{"steps_per_us": 200.0, "cpus": 1.0}]}
        self.assertIn("one CPU", scaled.spinners_note(run))

    def test_tables_fit_a_terminal(self):
        run = support.scaling_run()
        for number, block in enumerate(run["blocks"]):
            block["rps"] *= 1 + number / 977
        for table in (scaled.table(run), scaled.gained(run)):
            self.assertLessEqual(max(map(len, tables.text(*table).splitlines())), 120)


class Spinners(unittest.TestCase):
    def test_their_line_is_read(self):
        self.assertEqual(spinners.parse("threads=2 steps_per_us=380.125 cpus=1.990\n"),
                         {"steps_per_us": 380.125, "cpus": 1.99})

    def test_another_line_is_an_error_that_shows_it(self):
        for text in ("", "threads=2 cpus=1\n", "threads=x steps_per_us=1 cpus=1\n"):
            with self.subTest(text), self.assertRaisesRegex(ServerError, "can't be read"):
                spinners.parse(text)

    def test_a_program_that_fails_is_an_error(self):
        for program in ("/nonexistent/spin", "/bin/false"):
            with self.subTest(program), self.assertRaisesRegex(ServerError, "spin failed"):
                spinners.once(program, 1)


if __name__ == "__main__":
    unittest.main()
