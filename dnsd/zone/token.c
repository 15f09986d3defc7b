#include "dnsd/zone/token.h"

#include "dnsd/wire/name.h"

void dns_lexer_init(struct dns_lexer *lexer, struct keel_str text, uint32_t line)
{
    *lexer =
        (struct dns_lexer){.next = text.p, .end = text.p + text.n, .line = line, .at_end = true};
}

static int fail(struct dns_lexer *lexer, const char *what)
{
    lexer->what = what;
    return KEEL_EINVAL;
}

static void skip_comment(struct dns_lexer *lexer)
{
    while (lexer->next < lexer->end && *lexer->next != '\n')
        lexer->next++;
}

/* Over blanks, comments and, inside parentheses, line ends. Stops before a token's first byte or
 * behind the end of the entry (at_end). */
static int skip_space(struct dns_lexer *lexer)
{
    while (lexer->next < lexer->end) {
        switch (*lexer->next) {
        case ' ':
        case '\t':
        case '\r':
            break;
        case ';':
            skip_comment(lexer);
            continue;
        case '(':
            lexer->depth++;
            break;
        case ')':
            if (lexer->depth == 0)
                return fail(lexer, "')' without '('");
            lexer->depth--;
            break;
        case '\n':
            lexer->line++;
            if (lexer->depth == 0) {
                lexer->next++;
                lexer->at_end = true;
                return 0;
            }
            break;
        default:
            return 0;
        }
        lexer->next++;
    }
    if (lexer->depth > 0)
        return fail(lexer, "'(' is never closed");
    lexer->at_end = true;
    return 0;
}

/* Behind the closing quote. */
static int skip_quoted(struct dns_lexer *lexer)
{
    for (lexer->next++; lexer->next < lexer->end; lexer->next++) {
        if (*lexer->next == '"') {
            lexer->next++;
            return 0;
        }
        if (*lexer->next == '\n')
            break;
        if (*lexer->next == '\\' && lexer->end - lexer->next > 1 && lexer->next[1] != '\n')
            lexer->next++;
    }
    return fail(lexer, "'\"' is never closed");
}

/* Bytes that end a word or mean something in it. */
static const bool special[256] = {
    [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, [';'] = true,
    ['('] = true, [')'] = true,  ['"'] = true,  ['\\'] = true,
};

static int read_word(struct dns_lexer *lexer, struct dns_token *token)
{
    const char *start = lexer->next;
    token->quoted = *start == '"';
    while (lexer->next < lexer->end) {
        char c = *lexer->next;
        if (!special[(unsigned char)c]) {
            lexer->next++;
            continue;
        }
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '(' || c == ')')
            break;
        if (c == '"') {
            /* a quote opens a string at the front of a word, or behind "key=" (RFC 9460, 2.1);
             * what follows a closing one is a word of its own */
            if (lexer->next > start && lexer->next[-1] != '=')
                break;
            int err = skip_quoted(lexer);
            if (err)
                return err;
            break;
        }
        if (c == '\\' && lexer->end - lexer->next > 1 && lexer->next[1] != '\n')
            lexer->next++;
        lexer->next++;
    }
    token->text = (struct keel_str){start, (size_t)(lexer->next - start)};
    return 1;
}

int dns_lexer_next(struct dns_lexer *lexer, struct dns_token *token)
{
    if (lexer->peeked) {
        lexer->peeked = false;
        *token = lexer->peek;
        return 1;
    }
    if (lexer->at_end)
        return 0;
    int err = skip_space(lexer);
    if (err)
        return err;
    if (lexer->at_end)
        return 0;
    return read_word(lexer, token);
}

int dns_lexer_peek(struct dns_lexer *lexer, struct dns_token *token)
{
    int got = dns_lexer_next(lexer, token);
    if (got == 1) {
        lexer->peek = *token;
        lexer->peeked = true;
    }
    return got;
}

int dns_lexer_entry(struct dns_lexer *lexer)
{
    struct dns_token token;
    int got;

    while ((got = dns_lexer_next(lexer, &token)) == 1)
        continue;
    while (got == 0 && lexer->next < lexer->end) {
        lexer->at_end = false;
        lexer->blank_start = *lexer->next == ' ' || *lexer->next == '\t';
        lexer->entry_line = lexer->line;
        got = dns_lexer_peek(lexer, &token);
    }
    return got;
}

int dns_token_bytes(struct keel_str text, uint8_t *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == '"') {
            i++;
            continue;
        }
        int c = dns_text_byte(text, &i);
        if (c < 0)
            return KEEL_EINVAL;
        if (n == room)
            return KEEL_ENOSPC;
        out[n++] = (uint8_t)c;
    }
    return (int)n;
}

int dns_parse_seconds(struct keel_str text, uint32_t max, uint32_t *out)
{
    uint64_t sum = 0, part = 0;
    bool digits = false;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (keel_is_digit(c)) {
            part = part * 10 + (uint64_t)(c - '0');
            digits = true;
        } else {
            int lower = keel_to_lower(c);
            uint64_t unit = lower == 'w'   ? 604800
                            : lower == 'd' ? 86400
                            : lower == 'h' ? 3600
                            : lower == 'm' ? 60
                            : lower == 's' ? 1
                                           : 0;
            if (!digits || unit == 0)
                return KEEL_EINVAL;
            sum += part * unit;
            part = 0;
            digits = false;
        }
        if (part > UINT32_MAX || sum > UINT32_MAX)
            return KEEL_ERANGE;
    }
    if (text.n == 0 || !keel_is_digit((unsigned char)text.p[0]))
        return KEEL_EINVAL;
    sum += part;
    if (sum > max)
        return KEEL_ERANGE;
    *out = (uint32_t)sum;
    return 0;
}
