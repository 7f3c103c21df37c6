// What the other files call of grout.h, which machine.c alone includes: it defines a machine's exports.
#ifndef ENTRY_H
#define ENTRY_H

#include <stdint.h>

void entry_reply(const void *bytes, uint32_t len);
void entry_error(const char *text);
void entry_random(void *bytes, uint32_t len);
// Nanoseconds since the Unix epoch.
int64_t entry_time(void);

#endif
