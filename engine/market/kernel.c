/* Books, tape, candles and session figures of many symbols, fed with whole batches of records.
 *
 * engine/market/kernel.py calls it, twin.py says the same in Python, and tests hold the two equal bit for bit. It
 * knows no wire: a record is one level, quote, trade, session change or gap, in the source's own prices and sizes.
 * Inside, prices are whole ticks and sizes whole steps. One thread owns a kernel; cffi releases the GIL around every
 * call, so what it is given and what it fills must be left alone until the call returns. After the start nothing is
 * allocated but a book side that doubles.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* interface: build.py gives cffi what stands between these two lines */
typedef struct {
    int64_t ts_ns, received_ns;   /* the market's time, ours */
    int64_t first, seq;           /* numbers of the message, 0: not numbered; of a gap `first` is since when */
    double price, size;           /* a level's new total; of a gap `size` is how many messages are missing */
    uint32_t symbol;
    uint8_t kind, side;           /* side: 1 bid or buyer, 2 ask or seller, 0 none; of a session its state */
    uint16_t spare;
} cd_record;

typedef struct { int64_t price, size; } cd_level;
typedef struct { int64_t ts_ns, price, size, side, held; } cd_print;   /* held: the lie that kept it off the candles */

typedef struct {
    int64_t start_ns, end_ns;     /* a candle of time starts on its grid, others with their first trade; end: last trade */
    int64_t open, high, low, close, volume, bought, sold, trades, flags;
    double notional;              /* price times size, summed */
} cd_candle;

typedef struct {
    int64_t heard_ns, book_heard_ns, joined_ns, state, torn;
    int64_t bid, bid_size, ask, ask_size;                     /* a size of 0: no such side */
    int64_t last, last_size, last_ns;
    int64_t session_ns, open, high, low, volume, trades;      /* since session_ns, the first trade of the session */
    int64_t prints, changes, held, repeats, gaps, missed;     /* all there ever were */
    int64_t lies[9];
    int64_t book_version, tape_version, candle_version;
    double notional;
} cd_stats;

typedef struct { int64_t crossed_ns, ahead_ns, fresh_ns, far_ticks, tape_kept; double far_ratio; } cd_limits;
typedef struct cd_kernel cd_kernel;

extern const char *const cd_source;                           /* the digest of this file as it was compiled */
cd_kernel *cd_new(const cd_limits *limits);
void cd_free(cd_kernel *k);
int cd_symbol(cd_kernel *k, double tick, double step);
void cd_forget(cd_kernel *k, int symbol);
int cd_series(cd_kernel *k, int symbol, int kind, int64_t width, int kept);
void cd_drop(cd_kernel *k, int series);
void cd_apply(cd_kernel *k, const cd_record *records, int64_t count);
int cd_book(const cd_kernel *k, int symbol, int side, int most, cd_level *out);
int cd_tape(const cd_kernel *k, int symbol, int most, cd_print *out);
int64_t cd_opened(const cd_kernel *k, int series);
int cd_candles(const cd_kernel *k, int series, int64_t first, int most, cd_candle *out);
void cd_stats_of(const cd_kernel *k, int symbol, cd_stats *out);
int cd_dirty(cd_kernel *k, int most, int32_t *out);
int64_t cd_refused(const cd_kernel *k);
/* end of interface */

enum { TRADE = 1, LEVEL, CLEAR, QUOTE, SESSION, GAP };
enum { TIME = 1, TICK, VOLUME, RANGE };
enum { PRE_OPEN = 1, OPEN, HALTED, CLOSED };
enum { PRICE = 1, SIZE, OFF_GRID, BACK, AHEAD, JUMP, CROSSED, OUTSIDE };
enum { TOUCHED = 1, PARTIAL = 2 };
enum { BOOK, PRINTS, QUOTES, STREAMS };                       /* each has a time of its own; quotes have no numbers */
#define LARGEST 9e15                                          /* ticks and steps stay exact as doubles */
#define LATEST ((int64_t)1 << 62)
#define MOST_LEVELS 65536

typedef struct { cd_level *at; int n, room; } side_t;         /* the best level stands last */
typedef struct { int symbol, kind, kept, next; int64_t width, opened; cd_candle *ring; } series_t;

typedef struct {
    cd_stats now;
    double tick, step;
    side_t sides[2];
    cd_level half[2];
    cd_print *tape;
    int64_t seen_ns[STREAMS], seq[2], back_ns[STREAMS], gap_until_ns, crossed_ns;
    int series, depth, dirty, crossed_told, alive;
} symbol_t;

struct cd_kernel {
    cd_limits limits;
    symbol_t *symbols;
    series_t *series;
    int32_t *dirty;
    int n_symbols, n_series, n_dirty;
    int64_t refused;
};

#ifndef CD_SOURCE
#define CD_SOURCE ""
#endif
const char *const cd_source = CD_SOURCE;

/* --- making and freeing ------------------------------------------------------------------------------------------ */

cd_kernel *cd_new(const cd_limits *limits) {
    cd_kernel *k = calloc(1, sizeof *k);
    if (k) k->limits = *limits;
    return k;
}

static void empty(symbol_t *s) {
    free(s->sides[0].at);
    free(s->sides[1].at);
    free(s->tape);
    memset(s, 0, sizeof *s);
    s->series = -1;
}

void cd_free(cd_kernel *k) {
    for (int i = 0; i < k->n_symbols; i++) empty(&k->symbols[i]);
    for (int i = 0; i < k->n_series; i++) free(k->series[i].ring);
    free(k->symbols);
    free(k->series);
    free(k->dirty);
    free(k);
}

/* The new symbol's number, -1 without memory. */
int cd_symbol(cd_kernel *k, double tick, double step) {
    symbol_t *symbols = realloc(k->symbols, sizeof *symbols * (size_t)(k->n_symbols + 1));
    if (!symbols) return -1;
    k->symbols = symbols;
    int32_t *dirty = realloc(k->dirty, sizeof *dirty * (size_t)(k->n_symbols + 1));
    if (!dirty) return -1;
    k->dirty = dirty;
    symbol_t *s = &symbols[k->n_symbols];
    memset(s, 0, sizeof *s);
    s->tick = tick, s->step = step, s->series = -1, s->alive = 1, s->now.state = OPEN;
    s->tape = calloc((size_t)k->limits.tape_kept, sizeof *s->tape);
    for (int side = 0; side < 2; side++) {
        s->sides[side].room = 256;
        s->sides[side].at = malloc(sizeof(cd_level) * 256);
    }
    if (!s->tape || !s->sides[0].at || !s->sides[1].at) { empty(s); return -1; }
    return k->n_symbols++;
}

int cd_series(cd_kernel *k, int symbol, int kind, int64_t width, int kept) {
    series_t *all = realloc(k->series, sizeof *all * (size_t)(k->n_series + 1));
    if (!all) return -1;
    k->series = all;
    series_t *c = &all[k->n_series];
    *c = (series_t){symbol, kind, kept, k->symbols[symbol].series, width, 0, calloc((size_t)kept, sizeof(cd_candle))};
    if (!c->ring) return -1;
    k->symbols[symbol].series = k->n_series;
    return k->n_series++;
}

void cd_drop(cd_kernel *k, int series) {
    int *link = &k->symbols[k->series[series].symbol].series;
    while (*link >= 0 && *link != series) link = &k->series[*link].next;
    if (*link == series) *link = k->series[series].next;
    free(k->series[series].ring);
    k->series[series].ring = NULL;
    k->series[series].opened = 0;
}

/* Records that name it are refused from now on. */
void cd_forget(cd_kernel *k, int symbol) {
    while (k->symbols[symbol].series >= 0) cd_drop(k, k->symbols[symbol].series);
    int dirty = k->symbols[symbol].dirty;
    empty(&k->symbols[symbol]);
    k->symbols[symbol].dirty = dirty;
}

/* --- candles ----------------------------------------------------------------------------------------------------- */

static void add(symbol_t *s, series_t *c, int64_t ts, int64_t price, int64_t size, int side) {
    int counts = 1;                                           /* a trade cut in two counts where it begins */
    if (c->kind == VOLUME && size / c->width > c->kept) size = c->width * c->kept + size % c->width;  /* the rest is lost */
    while (size > 0) {
        cd_candle *now = c->opened ? &c->ring[(c->opened - 1) % c->kept] : NULL;
        int64_t start = c->kind == TIME ? ts - ts % c->width : ts, part = size;
        int full = !now;
        if (now && c->kind == TIME) full = start > now->start_ns;
        if (now && c->kind == TICK) full = counts && now->trades >= c->width;
        if (now && c->kind == VOLUME) full = now->volume >= c->width;
        if (now && c->kind == RANGE)
            full = (now->high > price ? now->high : price) - (now->low < price ? now->low : price) > c->width;
        if (full) {
            now = &c->ring[c->opened++ % c->kept];
            memset(now, 0, sizeof *now);
            now->start_ns = start;
            now->open = now->high = now->low = price;
            if (start < s->gap_until_ns) now->flags |= TOUCHED;
            if (start < s->now.joined_ns) now->flags |= PARTIAL;
        }
        if (c->kind == VOLUME && part > c->width - now->volume) part = c->width - now->volume;
        now->end_ns = ts;
        if (price > now->high) now->high = price;
        if (price < now->low) now->low = price;
        now->close = price;
        now->volume += part;
        if (side == 1) now->bought += part;
        if (side == 2) now->sold += part;
        now->trades += counts;
        now->notional += (double)price * (double)part;
        counts = 0;
        size -= part;
    }
}

/* Something between the two times was not told: every candle that may lack it says so. */
static void touch(cd_kernel *k, symbol_t *s, int64_t since, int64_t until) {
    if (until > s->gap_until_ns) s->gap_until_ns = until;
    for (int i = s->series; i >= 0; i = k->series[i].next) {
        series_t *c = &k->series[i];
        for (int64_t number = c->opened - 1; number >= 0 && number > c->opened - 1 - c->kept; number--) {
            cd_candle *at = &c->ring[number % c->kept];
            int over = c->kind == TIME ? at->start_ns + c->width <= since : number < c->opened - 1 && at->end_ns < since;
            if (over) break;
            if (at->start_ns < until) at->flags |= TOUCHED;
        }
    }
    s->now.candle_version++;
}

/* --- the book ---------------------------------------------------------------------------------------------------- */

/* Where a price stands or would stand; `sign` is 1 for bids, -1 for asks: the best is the last. */
static int place(const side_t *side, int sign, int64_t price) {
    int low = 0, high = side->n;
    while (low < high) {
        int middle = (low + high) / 2;
        if (sign * side->at[middle].price < sign * price) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* A level's new total. Returns 0 when there is no room. */
static int set(side_t *side, int sign, int64_t price, int64_t size) {
    int at = place(side, sign, price), there = at < side->n && side->at[at].price == price;
    if (there && size) side->at[at].size = size;
    else if (there) memmove(&side->at[at], &side->at[at + 1], sizeof(cd_level) * (size_t)(--side->n - at));
    else if (size) {
        if (side->n == side->room) {
            cd_level *more = side->room < MOST_LEVELS ? realloc(side->at, sizeof *more * (size_t)side->room * 2) : NULL;
            if (!more) return 0;
            side->at = more, side->room *= 2;
        }
        memmove(&side->at[at + 1], &side->at[at], sizeof(cd_level) * (size_t)(side->n++ - at));
        side->at[at] = (cd_level){price, size};
    }
    return 1;
}

static void show_top(symbol_t *s) {
    const side_t *bids = &s->sides[0], *asks = &s->sides[1];
    s->now.bid_size = bids->n ? bids->at[bids->n - 1].size : 0;
    s->now.ask_size = asks->n ? asks->at[asks->n - 1].size : 0;
    s->now.bid = bids->n ? bids->at[bids->n - 1].price : 0;
    s->now.ask = asks->n ? asks->at[asks->n - 1].price : 0;
    s->now.book_version++;
}

/* Within one exchange message a book may be crossed for an instant, before an auction for hours; else it lies. */
static void watch_cross(const cd_kernel *k, symbol_t *s, int64_t ts) {
    int crossed = s->now.state == OPEN && s->now.bid_size && s->now.ask_size && s->now.bid > s->now.ask;
    if (!crossed) s->crossed_ns = s->crossed_told = 0;
    else if (!s->crossed_ns) s->crossed_ns = ts;
    else if (!s->crossed_told && ts - s->crossed_ns > k->limits.crossed_ns) s->crossed_told = 1, s->now.lies[CROSSED]++;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

/* The whole ticks or steps of a value; the lie it is, or 0. */
static int whole(double value, double unit, int otherwise, int64_t *out) {
    double units = value / unit, rounded = rint(units);
    if (!(fabs(units) < LARGEST)) return otherwise;
    *out = (int64_t)rounded;
    return fabs(units - rounded) > 0.01 ? OFF_GRID : 0;
}

/* A number promised to follow the last one: what is missing, or -1 for what was told before. */
static int64_t follows(symbol_t *s, int stream, const cd_record *r) {
    int64_t missing = 0, last = s->seq[stream];
    if (!r->first) return 0;
    if (last && (stream == PRINTS ? r->seq <= last : r->seq < last)) return -1;
    if (last && r->first > last + 1) missing = r->first - last - 1;
    s->seq[stream] = r->seq;
    return missing;
}

static int outside(const cd_kernel *k, const symbol_t *s, const cd_record *r, int64_t price) {
    const cd_stats *now = &s->now;
    if (now->state != OPEN || !now->bid_size || !now->ask_size) return 0;
    if (r->received_ns - now->book_heard_ns > k->limits.fresh_ns) return 0;
    int64_t low = now->bid < now->ask ? now->bid : now->ask, high = now->bid < now->ask ? now->ask : now->bid;
    int64_t far = (int64_t)(k->limits.far_ratio * fabs((double)low));
    if (far < k->limits.far_ticks) far = k->limits.far_ticks;
    return price < low - far || price > high + far;
}

static void trade(cd_kernel *k, symbol_t *s, const cd_record *r) {
    int64_t price = 0, size = 0, missing = follows(s, PRINTS, r);
    if (missing < 0) { s->now.repeats++; return; }
    int lie = r->price == 0 ? PRICE : whole(r->price, s->tick, PRICE, &price);
    if (!lie) lie = r->size > 0 ? whole(r->size, s->step, SIZE, &size) : SIZE;
    if (!lie && !size) lie = OFF_GRID;
    if (!lie && r->ts_ns - r->received_ns > k->limits.ahead_ns) lie = AHEAD;
    if (!lie && r->ts_ns < s->seen_ns[PRINTS]) lie = BACK;
    if (!lie && outside(k, s, r, price)) lie = OUTSIDE;
    s->tape[s->now.prints++ % k->limits.tape_kept] = (cd_print){r->ts_ns, price, size, r->side, lie};
    s->now.tape_version++;
    if (missing) {
        s->now.lies[JUMP]++, s->now.missed += missing;
        touch(k, s, s->seen_ns[PRINTS], r->ts_ns);
    }
    if (lie) { s->now.lies[lie]++, s->now.held++; return; }
    s->seen_ns[PRINTS] = r->ts_ns;
    s->now.last = price, s->now.last_size = size, s->now.last_ns = r->ts_ns;
    if (!s->now.trades) s->now.session_ns = r->ts_ns, s->now.open = s->now.high = s->now.low = price;
    if (price > s->now.high) s->now.high = price;
    if (price < s->now.low) s->now.low = price;
    s->now.trades++, s->now.volume += size, s->now.notional += (double)price * (double)size;
    for (int i = s->series; i >= 0; i = k->series[i].next) add(s, &k->series[i], r->ts_ns, price, size, r->side);
    s->now.candle_version++;
}

/* A book's number and time: 0 when the record is old news. A book that goes back in time is counted once a message
 * and believed: its totals are whole, and the order of arrival is all there is. */
static int book_follows(cd_kernel *k, symbol_t *s, const cd_record *r) {
    int64_t missing = r->kind == CLEAR ? 0 : follows(s, BOOK, r);
    if (missing < 0) { s->now.repeats++; return 0; }
    if (missing) s->now.lies[JUMP]++, s->now.missed += missing, s->now.torn = 1;
    int stream = r->kind == QUOTE ? QUOTES : BOOK;            /* a source may give its quotes no time: they have ours */
    int lie = r->ts_ns - r->received_ns > k->limits.ahead_ns ? AHEAD : r->ts_ns < s->seen_ns[stream] ? BACK : 0;
    if (lie && r->ts_ns != s->back_ns[stream]) s->back_ns[stream] = r->ts_ns, s->now.lies[lie]++;
    if (!lie) s->seen_ns[stream] = r->ts_ns;
    s->now.changes++, s->now.book_heard_ns = r->received_ns;
    return 1;
}

static void level(cd_kernel *k, symbol_t *s, const cd_record *r) {
    side_t *side = &s->sides[r->side == 2];
    int sign = r->side == 2 ? -1 : 1;
    int64_t price = 0, size = 0;
    int lie = r->price == 0 ? PRICE : whole(r->price, s->tick, PRICE, &price);
    if (!lie) lie = r->size >= 0 ? whole(r->size, s->step, SIZE, &size) : SIZE;
    if (lie) { s->now.lies[lie]++; return; }
    s->depth = 1;
    if (!set(side, sign, price, size)) k->refused++;
}

/* The top of the book by itself: what was better is gone. A NaN was not said. */
static void quote(cd_kernel *k, symbol_t *s, const cd_record *r) {
    side_t *side = &s->sides[r->side == 2];
    int sign = r->side == 2 ? -1 : 1, lie = 0;
    cd_level top = side->n ? side->at[side->n - 1] : s->half[r->side == 2];
    int gone = r->size == 0;
    if (!isnan(r->size)) lie = r->size >= 0 ? whole(r->size, s->step, SIZE, &top.size) : SIZE;
    if (!isnan(r->price) && !gone && !lie) lie = r->price == 0 ? PRICE : whole(r->price, s->tick, PRICE, &top.price);
    if (lie) { s->now.lies[lie]++; return; }
    if (gone || !s->depth) side->n = 0;
    s->half[r->side == 2] = gone ? (cd_level){0, 0} : top;    /* of a first quote: the other half will come */
    if (!top.size || !top.price) return;
    while (side->n && sign * side->at[side->n - 1].price > sign * top.price) side->n--;
    if (!set(side, sign, top.price, top.size)) k->refused++;
}

static void session(symbol_t *s, int state) {
    int anew = state == PRE_OPEN ? s->now.state == OPEN || s->now.state == CLOSED : state == OPEN && s->now.state == CLOSED;
    s->now.state = state;
    if (!anew) return;
    s->now.session_ns = s->now.open = s->now.high = s->now.low = s->now.volume = s->now.trades = 0;
    s->now.notional = 0;
    s->seq[BOOK] = s->seq[PRINTS] = 0;                        /* numbers may begin anew, too */
}

static void apply(cd_kernel *k, const cd_record *r) {
    symbol_t *s = r->symbol < (uint32_t)k->n_symbols ? &k->symbols[r->symbol] : NULL;
    int known = s && s->alive && r->kind >= TRADE && r->kind <= GAP && r->side <= (r->kind == SESSION ? CLOSED : 2);
    if (r->kind == SESSION || r->kind == LEVEL || r->kind == QUOTE) known = known && r->side;
    known = known && r->ts_ns > 0 && r->ts_ns < LATEST && r->received_ns >= 0 && r->received_ns < LATEST;
    if (!known || r->first < 0 || r->first >= LATEST || r->seq < 0 || r->seq >= LATEST) { k->refused++; return; }
    s->now.heard_ns = r->received_ns;
    if (!s->now.joined_ns) s->now.joined_ns = r->ts_ns;
    if (!s->dirty) s->dirty = 1, k->dirty[k->n_dirty++] = (int32_t)r->symbol;
    watch_cross(k, s, r->ts_ns);
    switch (r->kind) {
    case TRADE: trade(k, s, r); return;
    case SESSION: session(s, r->side); return;
    case GAP:
        s->now.gaps++;
        if (r->size > 0 && r->size < LARGEST) s->now.missed += (int64_t)r->size;
        if (!r->side) touch(k, s, r->first, r->ts_ns);
        return;
    default:
        if (!book_follows(k, s, r)) return;
        if (r->kind == CLEAR) s->sides[0].n = s->sides[1].n = 0, s->depth = 1, s->now.torn = 0, s->seq[BOOK] = r->seq;
        if (r->kind == LEVEL) level(k, s, r);
        if (r->kind == QUOTE) quote(k, s, r);
        show_top(s);
        watch_cross(k, s, r->ts_ns);
    }
}

void cd_apply(cd_kernel *k, const cd_record *records, int64_t count) {
    for (int64_t i = 0; i < count; i++) apply(k, &records[i]);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* The best levels of a side (1 bids, 2 asks), best first. */
int cd_book(const cd_kernel *k, int symbol, int side, int most, cd_level *out) {
    const side_t *from = &k->symbols[symbol].sides[side == 2];
    int n = from->n < most ? from->n : most;
    for (int i = 0; i < n; i++) out[i] = from->at[from->n - 1 - i];
    return n;
}

/* The last trades, newest first. */
int cd_tape(const cd_kernel *k, int symbol, int most, cd_print *out) {
    const symbol_t *s = &k->symbols[symbol];
    int64_t kept = k->limits.tape_kept, n = s->now.prints < kept ? s->now.prints : kept;
    if (!s->alive) n = 0;
    if (n > most) n = most;
    for (int64_t i = 0; i < n; i++) out[i] = s->tape[(s->now.prints - 1 - i) % kept];
    return (int)n;
}

/* How many candles there ever were; all but the last are closed. */
int64_t cd_opened(const cd_kernel *k, int series) { return k->series[series].opened; }

/* Candles from number `first` on, which must still be kept. */
int cd_candles(const cd_kernel *k, int series, int64_t first, int most, cd_candle *out) {
    const series_t *c = &k->series[series];
    int n = 0;
    if (first < c->opened - c->kept) first = c->opened - c->kept;
    if (first < 0) first = 0;
    for (; first < c->opened && n < most; first++) out[n++] = c->ring[first % c->kept];
    return n;
}

void cd_stats_of(const cd_kernel *k, int symbol, cd_stats *out) { *out = k->symbols[symbol].now; }

/* The symbols that changed since they were last asked for. */
int cd_dirty(cd_kernel *k, int most, int32_t *out) {
    int n = 0;
    while (n < most && k->n_dirty) {
        out[n] = k->dirty[--k->n_dirty];
        k->symbols[out[n++]].dirty = 0;
    }
    return n;
}

int64_t cd_refused(const cd_kernel *k) { return k->refused; }
