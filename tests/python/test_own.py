"""A student's own figures beside the reference and the report (course/own.py)."""

import os
import sys
import unittest
from unittest import mock

import support
from driver import results

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course"))

import own  # noqa: E402


class Beside(unittest.TestCase):
    def table(self, **stored):
        """`stored`: by its name in results.RECORDS, or own for the student's."""
        files = {"own": results.ORIENTATIONS["reproduce"], **results.RECORDS}
        runs = {files[name]: run for name, run in stored.items()}
        with mock.patch.object(own.results, "load", runs.get):
            return own.beside()

    def row(self, table, name):
        return next(line for line in table.splitlines() if line.startswith(name))

    def test_each_lab_is_beside_its_reference_and_what_the_report_says(self):
        table = self.table(own=support.lab_run(4), reproduce=support.lab_run())
        self.assertEqual(self.row(table, "lab2").split()[-8:],
                         ["2,500", "10.0", "0.25", "2,500", "10.0", "0.25", "3,000", "0.23"])

    def test_labs_4_and_5_have_their_reference_in_the_run_beside_other_servers(self):
        servers = ("lab1", "lab2", "lab3", "lab4", "lab5")
        table = self.table(own=support.peers_run(servers), reproduce=support.lab_run(),
                           peers=support.peers_run(servers))
        self.assertEqual(self.row(table, "lab5").split()[-8:],
                         ["1,000", "50.0", "1.00", "1,000", "50.0", "1.00", "-", "-"])
        self.assertEqual(self.row(table, "lab2").split()[-5:],  # of the run of the three labs
                         ["2,500", "10.0", "0.25", "3,000", "0.23"])

    def test_what_has_no_reference_has_dashes(self):
        table = self.table(own=support.peers_run(("lab1", "lab4")), reproduce=support.lab_run())
        self.assertEqual(self.row(table, "lab4").split()[-5:], ["-"] * 5)

    def test_without_a_run_there_is_no_table(self):
        self.assertIsNone(self.table(reproduce=support.lab_run()))
        self.assertIsNone(self.table(own=support.lab_run()))
