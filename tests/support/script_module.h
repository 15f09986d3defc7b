/*
 * A handler that does what the request's path says: linked into the unit tests, and a module for
 * the system tests.
 */
#ifndef TESTS_SUPPORT_SCRIPT_MODULE_H
#define TESTS_SUPPORT_SCRIPT_MODULE_H

#include "httpd/request/handler.h"

/* What the handler does, by the first letter of the file name:
 *   n  says NEXT at once               l  answers later
 *   e  reads the body, answers with it and the trailers
 *   p  the same, but pauses at each piece for a while
 *   x  says NEXT later                 r  reads the body and never answers
 *   s  answers in `respond`, by http_exchange_respond
 *   c  piece by piece, of unknown length, with trailers     k  the same, of known length
 *   b  a MiB, as fast as it is taken    i  the body, as it comes
 *   a  aborts in the middle             u  ends too early
 *   t  a tunnel that echoes, until "stop"
 *   v  events: as c, as text/event-stream          g  a MiB, as b, as text
 *   y  as i, as text/event-stream
 *   0  status 204, and writes all the same */
extern const struct http_handler http_module;

/* Exchanges that it kept; of these ended by it, and gone. */
extern unsigned script_started, script_ended, script_gone;
#define PIECE 1000
#define PIECES 1049

#endif
