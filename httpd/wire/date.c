#include "httpd/wire/date.h"

static const char days[7][10] = {"Thursday", "Friday",  "Saturday", "Sunday",
                                 "Monday",   "Tuesday", "Wednesday"}; /* 1970 began on one */
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
#define DAY 86400
#define FIRST_SECOND INT64_C(-62135596800) /* 1 January of year 1 */
#define LAST_SECOND INT64_C(253402300799)  /* 31 December 9999 */

/* Days since 1970 of a Gregorian date. Counting years from 1 March puts the leap day last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static void date_from_days(int64_t count, unsigned *year, unsigned *month, unsigned *day)
{
    count += 719468;
    int64_t era = (count >= 0 ? count : count - 146096) / 146097;
    unsigned day_of_era = (unsigned)(count - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static char *put2(char *out, unsigned n)
{
    out[0] = (char)('0' + n / 10 % 10);
    out[1] = (char)('0' + n % 10);
    return out + 2;
}

void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds)
{
    if (seconds < FIRST_SECOND)
        seconds = FIRST_SECOND;
    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    int64_t count = seconds / DAY - (seconds % DAY < 0);
    unsigned clock = (unsigned)(seconds - count * DAY), year, month, day;
    date_from_days(count, &year, &month, &day);
    int weekday = (int)(count % 7);
    memcpy(out, days[weekday < 0 ? weekday + 7 : weekday], 3);
    memcpy(out + 3, ", ", 2);
    put2(out + 5, day);
    out[7] = ' ';
    memcpy(out + 8, months[month - 1], 3);
    out[11] = ' ';
    put2(put2(out + 12, year / 100), year % 100);
    out[16] = ' ';
    put2(out + 17, clock / 3600);
    out[19] = ':';
    put2(out + 20, clock / 60 % 60);
    out[22] = ':';
    put2(out + 23, clock % 60);
    memcpy(out + 25, " GMT", 4);
}

/* A cursor over the text; `bad` is sticky. */
struct scan {
    const char *p, *end;
    bool bad;
};

static void expect(struct scan *s, const char *literal)
{
    size_t n = strlen(literal);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, literal, n) != 0)
        s->bad = true;
    else
        s->p += n;
}

static unsigned number(struct scan *s, unsigned digits)
{
    unsigned n = 0;
    for (; digits > 0; digits--) {
        if (s->p == s->end || !keel_is_digit(*s->p)) {
            s->bad = true;
            return 0;
        }
        n = n * 10 + (unsigned)(*s->p++ - '0');
    }
    return n;
}

static unsigned month_name(struct scan *s)
{
    for (unsigned i = 0; i < 12; i++)
        if (s->end - s->p >= 3 && memcmp(s->p, months[i], 3) == 0) {
            s->p += 3;
            return i + 1;
        }
    s->bad = true;
    return 1;
}

/* "08:49:37"; a leap second is told as the second before it. */
static unsigned time_of_day(struct scan *s)
{
    unsigned hour = number(s, 2);
    expect(s, ":");
    unsigned minute = number(s, 2);
    expect(s, ":");
    unsigned second = number(s, 2);
    if (hour > 23 || minute > 59 || second > 60)
        s->bad = true;
    return hour * 3600 + minute * 60 + (second == 60 ? 59 : second);
}

/* The length of the day's name at the start: 3, the full name's, or 0. */
static size_t day_name(struct keel_str text)
{
    for (unsigned i = 0; i < 7; i++) {
        size_t full = strlen(days[i]);
        if (text.n > full && memcmp(text.p, days[i], full) == 0)
            return full;
        if (text.n > 3 && memcmp(text.p, days[i], 3) == 0)
            return 3;
    }
    return 0;
}

static int64_t this_year(int64_t now)
{
    unsigned year, month, day;
    date_from_days(now / DAY, &year, &month, &day);
    return year;
}

int http_date_parse(struct keel_str text, int64_t now, int64_t *seconds)
{
    size_t name = day_name(text);
    struct scan s = {text.p + name, text.p + text.n, name == 0};
    unsigned year = 1970, month = 1, day = 1, clock = 0;
    if (s.bad)
        return KEEL_EINVAL;
    if (*s.p == ' ') { /* "Sun Nov  6 08:49:37 1994" */
        expect(&s, " ");
        month = month_name(&s);
        expect(&s, " ");
        if (s.p < s.end && *s.p == ' ') {
            s.p++;
            day = number(&s, 1);
        } else {
            day = number(&s, 2);
        }
        expect(&s, " ");
        clock = time_of_day(&s);
        expect(&s, " ");
        year = number(&s, 4);
        s.bad = s.bad || name != 3;
    } else {
        expect(&s, ", ");
        day = number(&s, 2);
        const char *separator = name == 3 ? " " : "-"; /* the long name is RFC 850's */
        expect(&s, separator);
        month = month_name(&s);
        expect(&s, separator);
        year = number(&s, name == 3 ? 4 : 2);
        if (name != 3) {
            int64_t current = this_year(now);
            year += (unsigned)(current - current % 100);
            if ((int64_t)year > current + 50)
                year -= 100;
        }
        expect(&s, " ");
        clock = time_of_day(&s);
        expect(&s, " GMT");
    }
    if (s.bad || s.p != s.end || day < 1 || year < 1)
        return KEEL_EINVAL;
    int64_t count = days_from_date(year, month, day);
    unsigned back_year, back_month, back_day;
    date_from_days(count, &back_year, &back_month, &back_day);
    if (back_day != day || back_month != month)
        return KEEL_EINVAL; /* 31 February */
    *seconds = count * DAY + clock;
    return 0;
}
