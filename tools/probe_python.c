/*
 * A tiny program that embeds Python: what can't start this can't start a lab.
 *
 *   probe_python PYTHON_EXECUTABLE
 *
 * tools/python.sh runs it to check an interpreter that it has built, tools/config_mk to check the
 * one that PYTHON_CONFIG names. It compares the headers that it was compiled with to the library
 * that it found at run time, imports what a lab needs (parts of that are extension modules, which
 * want the interpreter's symbols from this program), and prints two lines: the exact version, and
 * in a few words how that Python was built, such as "-O3, PGO".
 */
#include <Python.h>

#include <stdio.h>
#include <string.h>

static const char describe[] =
    "import asyncio, json, re, sys, sysconfig\n"
    "def variable(name):\n"
    "    return str(sysconfig.get_config_var(name) or '')\n"
    "levels = re.findall(r'(?<!\\S)-O\\S*', variable('PY_CFLAGS') + ' ' + variable('OPT'))\n"
    "words = [levels[-1] if levels else 'not optimised']\n"
    "options = (('PGO', '--enable-optimizations'), ('LTO', '--with-lto'),\n"
    "           ('debug', '--with-pydebug'), ('JIT', '--enable-experimental-jit'),\n"
    "           ('TSan', '--with-thread-sanitizer'), ('ASan', '--with-address-sanitizer'))\n"
    "arguments = re.findall(r'--[a-z-]+(?!=no)', variable('CONFIG_ARGS'))\n"
    "words += [word for word, option in options if option in arguments]\n"
    "print(sys.version.split()[0])\n"
    "print(*words, sep=', ')\n"
    "sys.stdout.flush()\n";

/* Whether the library is the one that the headers describe; says so if not. */
static int same_build(void)
{
    const char *library = Py_GetVersion(); /* "3.13.5 (main, ...", "3.13.5 experimental free-..." */
    size_t      len = strcspn(library, " ");
#ifdef Py_GIL_DISABLED
    int free_threaded = 1;
#else
    int free_threaded = 0;
#endif

    if (len == strlen(PY_VERSION) && strncmp(library, PY_VERSION, len) == 0 &&
        free_threaded == (strstr(library, "free-threading build") != NULL))
        return 1;
    fprintf(stderr, "the headers are of Python %s%s, but the library is %s\n", PY_VERSION,
            free_threaded ? " free-threaded" : "", library);
    return 0;
}

/* As the labs do it: isolated, with the standard library of that executable. */
static int start(const char *executable)
{
    PyConfig config;
    PyStatus status;

    PyConfig_InitIsolatedConfig(&config);
    config.write_bytecode = 0;
    status = PyConfig_SetBytesString(&config, &config.program_name, executable);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (!PyStatus_Exception(status))
        return 0;
    fprintf(stderr, "it doesn't start: %s\n", status.err_msg == NULL ? "unknown" : status.err_msg);
    return -1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: probe_python PYTHON_EXECUTABLE\n");
        return 2;
    }
    if (!same_build() || start(argv[1]) != 0 || PyRun_SimpleString(describe) != 0)
        return 1;
    return Py_FinalizeEx() == 0 ? 0 : 1;
}
