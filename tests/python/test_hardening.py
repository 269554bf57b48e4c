"""The labs as they were built: what makes a bug in them harder to use."""

import os
import re
import subprocess
import unittest

BIN = os.environ.get("LAB_BIN_DIR", "")
LABS = [lab for lab in ("lab1", "lab2", "lab3", "lab4", "lab5")
        if os.path.exists(os.path.join(BIN, lab))]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@unittest.skipUnless(LABS, "no labs in LAB_BIN_DIR: run this by `make test`")
@unittest.skipIf(re.search("-san-|-debug", BIN), "instrumented builds have other flags")
class Hardening(unittest.TestCase):
    def each(self, *tool):
        return [(lab, run(*tool, os.path.join(BIN, lab))) for lab in LABS]

    def test_programs_are_loaded_at_an_address_that_changes(self):
        for lab, header in self.each("readelf", "-hW"):
            self.assertRegex(header, r"Type:\s+DYN", lab)

    def test_nothing_is_writable_and_executable(self):
        for lab, headers in self.each("readelf", "-lW"):
            self.assertRegex(headers, r"GNU_STACK\s.*\sRW\s", lab)
            self.assertNotRegex(headers, r"LOAD\s.*\sRWE\s", lab)

    def test_addresses_of_functions_are_bound_at_start_and_then_read_only(self):
        for lab, headers in self.each("readelf", "-lW"):
            self.assertIn("GNU_RELRO", headers, lab)
        for lab, dynamic in self.each("readelf", "-dW"):
            self.assertRegex(dynamic, r"FLAGS.*\bNOW\b", lab)

    def test_an_overwritten_stack_is_noticed(self):
        for lab, symbols in self.each("readelf", "--dyn-syms", "-W"):
            self.assertIn("__stack_chk_fail", symbols, lab)

    def test_functions_of_the_c_library_check_sizes(self):
        for lab, symbols in self.each("readelf", "--dyn-syms", "-W"):
            self.assertRegex(symbols, r"__\w*printf_chk", lab)

    @unittest.skipUnless(os.uname().machine == "x86_64", "only x86 has it")
    def test_functions_begin_where_an_indirect_jump_may_land(self):
        code = run("objdump", "-d", "--disassemble=lab_main", os.path.join(BIN, LABS[0]))
        self.assertIn("endbr64", code)


if __name__ == "__main__":
    unittest.main()
