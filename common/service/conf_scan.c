#include "common/service/conf_scan.h"
#include "common/base/err.h"
#include "common/base/str.h"

#include <stdio.h>
#include <string.h>

void conf_scan_init(struct conf_scanner *s, const char *text)
{
    memset(s, 0, sizeof *s);
    keel_buf_init(&s->text, 0);
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* byte order mark of some editors */
        text += 3;
    s->next = text;
    s->line = s->line_next = 1;
}

void conf_scan_fini(struct conf_scanner *s)
{
    keel_buf_fini(&s->text);
}

/* Every later call stops at the same place. */
static enum conf_token bad(struct conf_scanner *s, const char *problem)
{
    snprintf(s->problem, sizeof s->problem, "%s", problem);
    s->next = NULL;
    return CONF_BAD;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* To the end of a comment in the other style; false when it has none. */
static bool skip_block_comment(struct conf_scanner *s)
{
    s->line = s->line_next;
    const char *end = strstr(s->next + 2, "*/");
    if (!end)
        return false;
    for (const char *p = s->next; p < end; p++)
        s->line_next += *p == '\n';
    s->next = end + 2;
    return true;
}

/* Blanks, line ends and comments. */
static bool skip_space(struct conf_scanner *s)
{
    for (;;) {
        char c = *s->next;
        if (c == '\n') {
            s->line_next++;
            s->next++;
        } else if (is_blank(c)) {
            s->next++;
        } else if (c == '#' || (c == '/' && s->next[1] == '/')) {
            s->next += strcspn(s->next, "\n");
        } else if (c == '/' && s->next[1] == '*') {
            if (!skip_block_comment(s))
                return false;
        } else {
            return true;
        }
    }
}

/* `\` and what follows in a "text". Appends the byte meant; NULL or why not. */
static const char *scan_escape(struct conf_scanner *s)
{
    static const char letters[] = "n\nr\rt\tb\bf\fa\av\ve\033";
    char c = *s->next++, out = 0;
    if (c == '\n') { /* the text goes on in the next line */
        s->line_next++;
        return NULL;
    }
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter && (letter - letters) % 2 == 0) {
        out = letter[1];
    } else if (c == 'x') {
        int digit, value = 0, digits = 0;
        while (digits < 2 && (digit = keel_hex_digit((unsigned char)*s->next)) >= 0) {
            value = value * 16 + digit;
            digits++;
            s->next++;
        }
        if (value == 0)
            return "\\x needs one or two hexadecimal digits that are not zero";
        out = (char)value;
    } else if (c >= '0' && c <= '7') {
        int value = c - '0';
        for (int n = 0; n < 2 && *s->next >= '0' && *s->next <= '7'; n++)
            value = value * 8 + (*s->next++ - '0');
        if (value == 0 || value > 255)
            return "an octal escape must be \\1 to \\377";
        out = (char)value;
    } else if (c > ' ' && c < 127 && !(keel_to_lower(c) >= 'a' && keel_to_lower(c) <= 'z') &&
               !keel_is_digit(c)) {
        out = c;
    } else {
        return "there is no such escape; write \\\\ for a backslash";
    }
    keel_buf_append(&s->text, &out, 1);
    return NULL;
}

/* From behind the quote. In '...' a backslash is itself, but for \' and \\. */
static enum conf_token scan_quoted(struct conf_scanner *s, char quote)
{
    const char stops[] = {quote, '\\', '\n', '\0'};
    for (;;) {
        size_t n = strcspn(s->next, stops);
        keel_buf_append(&s->text, s->next, n);
        s->next += n;
        char c = *s->next;
        if (c == '\0' || c == '\n')
            return bad(s, "the quoted text does not end on its line (\\n is a line end inside)");
        s->next++;
        if (c == quote)
            return CONF_TEXT;
        if (quote == '\'') {
            if (*s->next == '\'' || *s->next == '\\')
                keel_buf_append(&s->text, s->next++, 1);
            else
                keel_buf_append(&s->text, "\\", 1);
            continue;
        }
        const char *problem = *s->next ? scan_escape(s) : "the quoted text does not end";
        if (problem)
            return bad(s, problem);
    }
}

static bool in_word(const char *p)
{
    if (*p == '+')
        return p[1] != '=';
    return (unsigned char)*p > ' ' && *p != 127 && !strchr("#\"'={}(),;", *p);
}

static enum conf_token scan_word(struct conf_scanner *s)
{
    const char *begin = s->next;
    while (*s->next && in_word(s->next))
        s->next++;
    if (s->next == begin) {
        char text[8], problem[128];
        keel_escape(text, sizeof text, s->next, 1);
        if (*s->next == ';')
            snprintf(problem, sizeof problem, "\";\" is not needed; remove it");
        else
            snprintf(problem, sizeof problem,
                     "unexpected \"%s\"; a value with such characters stands in quotes", text);
        return bad(s, problem);
    }
    keel_buf_append(&s->text, begin, (size_t)(s->next - begin));
    return CONF_WORD;
}

static enum conf_token sign(struct conf_scanner *s, int length, enum conf_token token)
{
    s->next += length;
    return token;
}

static enum conf_token scan(struct conf_scanner *s)
{
    switch (*s->next) {
    case '\0':
        return CONF_END;
    case '{':
        return sign(s, 1, CONF_OPEN);
    case '}':
        return sign(s, 1, CONF_CLOSE);
    case '=':
        return sign(s, 1, CONF_ASSIGN);
    case ',':
        return sign(s, 1, CONF_COMMA);
    case '"':
    case '\'':
        return scan_quoted(s, *s->next++);
    case '+':
        if (s->next[1] == '=')
            return sign(s, 2, CONF_APPEND);
        return scan_word(s);
    default:
        return scan_word(s);
    }
}

enum conf_token conf_scan(struct conf_scanner *s)
{
    if (!s->next)
        return CONF_BAD;
    if (!skip_space(s))
        return bad(s, "the comment that begins here does not end");
    s->line = s->line_next;
    keel_buf_clear(&s->text);
    enum conf_token token = scan(s);
    if (token != CONF_BAD && (!keel_buf_text(&s->text) || s->text.failed))
        return bad(s, keel_strerror(KEEL_ENOMEM));
    return token;
}

const char *conf_scan_name(const struct conf_scanner *s, enum conf_token token)
{
    static const char *const names[] = {
        [CONF_END] = "the end of the text",
        [CONF_OPEN] = "\"{\"",
        [CONF_CLOSE] = "\"}\"",
        [CONF_ASSIGN] = "\"=\"",
        [CONF_APPEND] = "\"+=\"",
        [CONF_COMMA] = "\",\"",
        [CONF_BAD] = "an error",
    };
    if (token == CONF_WORD || token == CONF_TEXT)
        return (const char *)keel_buf_bytes(&s->text);
    return names[token];
}
