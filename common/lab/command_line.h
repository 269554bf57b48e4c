/* From the command line to a process that is ready to start. */
#ifndef LOOPLAB_COMMAND_LINE_H
#define LOOPLAB_COMMAND_LINE_H

#include "common/lab/options.h"

/*
 * Parse the options, do what they ask of the process itself (log level, CPUs, descriptors), or
 * print what --help and --version are for.
 * thread: the main one, before any other
 * returns true if the lab is to run; else `status` is the program's exit status
 */
bool command_line_read(lab_options_t *options, int argc, char **argv, const lab_info_t *info,
                       int *status);

#endif
