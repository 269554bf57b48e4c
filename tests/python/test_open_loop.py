"""The client that keeps its rate, and the table of what it has measured."""

import asyncio
import unittest

import support
from driver import constant_rate, steady
from driver.blocks import Configuration


class Client(unittest.TestCase):
    def load(self, answers, count=20, rate=200):
        """Ask a server that answers with these bytes; None: never. returns the report"""

        async def serve(reader, writer):
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    answer = answers.pop(0) if answers else b""
                    if answer is None:
                        return await reader.read()  # until the client gives up
                    writer.write(answer)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        async def run():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            load = constant_rate.Load(url, rate, count / rate, 2)
            report = await load.run()
            server.close()
            await asyncio.sleep(0.1)  # transports close in the loop's next turns
            return report

        return asyncio.run(run())

    def setUp(self):
        self.grace, constant_rate.GRACE_SECONDS = constant_rate.GRACE_SECONDS, 0.5
        self.addCleanup(setattr, constant_rate, "GRACE_SECONDS", self.grace)

    GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

    def test_every_request_is_counted(self):
        report = self.load([self.GOOD] * 20)
        self.assertEqual((report["requests"], report["outstanding"], report["failed"]), (20, 0, 0))
        self.assertGreater(report["p99_us"], 0)
        self.assertGreaterEqual(report["p99_us"], report["p50_us"])

    def test_a_wrong_status_is_a_failure(self):
        report = self.load([self.GOOD] * 19 + [self.GOOD.replace(b"200", b"500")])
        self.assertEqual(report["failed"], 1)

    def test_it_sends_on_while_a_request_is_not_answered(self):
        report = self.load([None] + [self.GOOD] * 19)
        self.assertEqual((report["requests"], report["outstanding"]), (19, 1))
        self.assertIsNone(report["p99_us"])  # that request is the slowest, without an end
        self.assertIsNotNone(report["p50_us"])

    def test_latency_counts_from_when_a_request_was_due(self):
        load = constant_rate.Load("http://127.0.0.1:1/x?y=1", 10, 1, 0)
        self.assertEqual(load.request.split(b"\r\n")[0], b"GET /x?y=1 HTTP/1.1")
        load.latencies = [0.001, 0.002, 0.5]
        self.assertEqual(load.report(0)["p99_us"], 500_000)


class Table(unittest.TestCase):
    def test_a_quantile_without_an_answer_is_a_dash(self):
        headers, rows = steady.table(support.open_loop_run())
        found = {row[0]: dict(zip(headers[1:], row[1:])) for row in rows}
        self.assertEqual(found["lab3 at 200/s"]["p99 ms"], "-")
        self.assertEqual(found["lab3 at 200/s"]["unanswered"], "10%")
        self.assertEqual(found["lab1 at 500/s"]["p99 ms"], "20.00")

    def test_the_rate_stands_in_the_name(self):
        for one in steady.configurations():
            self.assertIn(steady.rate_of(one), steady.RATES)
        self.assertEqual(steady.rate_of(Configuration("lab3, pool at 500/s")), 500)


if __name__ == "__main__":
    unittest.main()
