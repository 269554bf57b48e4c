/* Lab 5's program: starts the workers, prints what there is to print, ends them. */
#ifndef LOOPLAB_LAB5_SUPERVISOR_H
#define LOOPLAB_LAB5_SUPERVISOR_H

#include "common/lab/lab.h"

/* Run the program. returns the exit status, as lab_main() does; 1 also if a worker has died */
int supervisor_main(int argc, char **argv, const lab_info_t *info);

#endif
