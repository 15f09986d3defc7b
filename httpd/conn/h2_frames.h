/*
 * The frames of an HTTP/2 client, walked and counted before nghttp2 reads them: where each begins
 * and ends, and how many there were that cost us and bring the client nothing.
 */
#ifndef HTTPD_CONN_H2_FRAMES_H
#define HTTPD_CONN_H2_FRAMES_H

#include "common/base/str.h"

#define HTTP_H2_PREFACE_SIZE 24
#define HTTP_H2_FRAME_HEAD 9

/* A budget that refills with time. */
struct http_h2_budget {
    uint32_t left;
    uint64_t at_ns;
};

struct http_h2_frames {
    uint64_t now_ns;                  /* of the last walk */
    uint64_t since_ns;                /* when the frame under way, or its header block, began */
    struct http_h2_budget control;    /* for frames other than requests and their content */
    struct http_h2_budget resets;     /* for streams that are reset */
    uint32_t left;                    /* of the payload */
    uint8_t preface;                  /* bytes of the connection preface that came */
    uint8_t got;                      /* of the frame's head; 0: between two frames */
    uint8_t head[HTTP_H2_FRAME_HEAD]; /* of the frame under way */
    uint8_t continuations;            /* of this header block */
    bool in_block;                    /* its END_HEADERS is to come */
    bool cut;                         /* a budget is used up, or a block has no end */
};

void http_h2_frames_init(struct http_h2_frames *frames, uint64_t now_ns);
/* Takes bytes up to the end of the frame under way, or less; says in *feed what nghttp2 is to read
 * now: nothing when frames->cut. Returns how many were taken, at least one. */
size_t http_h2_frames_walk(struct http_h2_frames *frames, uint64_t now_ns, const uint8_t *bytes,
                           size_t size, struct keel_str *feed);
/* Began a frame or a header block that is not complete? In *content whether it is DATA. */
bool http_h2_frames_partial(const struct http_h2_frames *frames, bool *content);

/* What the client may send besides grows with what it asks for and gets: WINDOW_UPDATEs, above all.
 */
void http_h2_frames_earn(struct http_h2_frames *frames);
/* A stream was reset for what the client did (CVE-2025-8671). */
void http_h2_frames_spend_reset(struct http_h2_frames *frames);

#endif
