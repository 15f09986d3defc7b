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
 *   0  status 204, and writes all the same
 *   h  the alphabet, with status and fields of the query: "/h?200+ETag:+'a';Vary:+*"
 *   w  the same as a whole answer           z  does nothing, ever */
extern const struct http_handler http_module;

/* Its filters. "change" makes of text, or of what has no type, by the first letter of its argument:
 *   u  lower case, in as many bytes    d  the same, each byte twice
 *   h  the same, but all at the end    x  itself and "!", with "-x" in the ETag
 *   f  an error after 100,000 bytes    e  an error at the end
 *   s  a byte less than it has said    l  a byte more
 *   n  no memory for the head          .  nothing
 * "exact" is the same, and vouches for the head; "mark" adds "X-Mark: yes" to it. */
extern const struct http_filter script_change, script_exact, script_mark;
/* Those that have not been released. */
extern unsigned script_changes;

/* Exchanges that it kept; of these ended by it, and gone. */
extern unsigned script_started, script_ended, script_gone;
#define PIECE 1000
#define PIECES 1049

#endif
