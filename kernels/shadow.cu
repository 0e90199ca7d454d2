// The trade simulation: twin of crates/shadow/src/cpu.rs.
#include "trade.cuh"

namespace shadow {

// Threads per block. Twin of `THREADS` in crates/shadow/src/device.rs; a test there compares them.
constexpr u32 THREADS = 64;

// Twin of shadow::Trade, with the layout of shadow::device::DeviceTrade.
struct Trade {
    double entry_price, exit_price, stop_price, take_price, size;
    double gross_bps, fee_bps, spread_bps, slippage_bps, funding_bps, net_bps;
    u32 symbol, signal_bar, entry_bar, exit_bar;
    u32 is_short, exit_reason;
};

// Where a thread's trades go. They are written only if `trades` is not null, but always counted.
struct Book {
    Trade* trades;
    u32 symbol, count;
};

DEVICE void enter_trade(Book& book, const trade::Position& p, const trade::Exit& exit, const trade::Bars& bars,
                        const trade::Rules& rules, const trade::Costs& costs, const trade::Funding& funding) {
    if (book.trades != nullptr) {
        const trade::Outcome o = trade::close(p, exit, bars, rules, costs, funding);
        Trade& t = book.trades[book.count];
        t = {p.entry_price, exit.price, p.stop_price, p.take_price, p.size, o.gross_bps, o.fee_bps, o.spread_bps,
             o.slippage_bps, o.funding_bps, o.net_bps, book.symbol, p.signal_bar, p.entry_bar, exit.bar,
             p.is_long ? 0u : 1u, exit.reason};
    }
    book.count += 1u;
}

// One symbol's signals, `[bars]` each.
struct Signals {
    const i8* side;
    const double* stop_bps;
    const double* take_bps;
    const double* size;
};

// The entry at the next open for a signal at the close of `bar`. False if there is none, or where shorts are not traded.
DEVICE bool entry(const Signals& signals, const trade::Bars& bars, const double* atr, u32 bar, const trade::Rules& rules,
                  trade::Position& out) {
    const i32 side = signals.side[bar];
    if (side != 1 && (side != -1 || rules.shorts == 0u)) {
        return false;
    }
    const double price = bars.open[bar + 1u];
    const double stop_bps = signals.stop_bps[bar];
    const double take_bps = signals.take_bps[bar];
    const double stop = arith::is_nan(stop_bps) ? rules.stop_atr * atr[bar] : price * stop_bps / trade::BPS;
    const double take = arith::is_nan(take_bps) ? rules.take_atr * atr[bar] : price * take_bps / trade::BPS;
    const double size = arith::is_nan(signals.size[bar]) ? rules.notional : signals.size[bar];
    // Only distances above 0 are barriers; NaN is not.
    if (!(stop > 0.0 && take > 0.0)) {
        return false;
    }
    out = trade::enter(bars, bar, side == 1, stop, take, size, atr[bar]);
    return true;
}

DEVICE void simulate(Book& book, const Signals& signals, const trade::Bars& bars, const double* atr, u32 start, u32 end,
                     const trade::Rules& rules, const trade::Costs& costs, const trade::Funding& funding) {
    bool open = false;
    trade::Position position = {};
    for (u32 bar = start; bar < end; ++bar) {
        if (bar > start) {
            const i32 side = signals.side[bar - 1u];
            if (!open) {
                open = entry(signals, bars, atr, bar - 1u, rules, position);
            } else {
                const bool reversal = side == (position.is_long ? -1 : 1);
                const trade::Exit exit = trade::exit_at_open(position, bars, bar, reversal, rules.max_hold);
                if (exit.reason != trade::NONE) {
                    enter_trade(book, position, exit, bars, rules, costs, funding);
                    open = reversal && entry(signals, bars, atr, bar - 1u, rules, position);
                }
            }
        }
        if (open) {
            trade::Exit exit = trade::exit_within(position, bars, bar, rules);
            if (exit.reason == trade::NONE && bar + 1u == end) {
                exit = {bar, bars.close[bar], trade::END_OF_DATA};
            }
            if (exit.reason != trade::NONE) {
                enter_trade(book, position, exit, bars, rules, costs, funding);
                open = false;
            }
        }
    }
}

}  // namespace shadow

// One thread per configuration and symbol, `[configurations x symbols]`. Launched twice: first without writing, which gives the
// number of trades of each thread in `counts`; then it writes each thread's trades at its offset in `offsets`.
//
// Candles and `atr` are `[symbols x bars]`, each column of the signals `[different columns x symbols x bars]`, of which
// `columns` `[configurations x 4]` says which a configuration has (side, stop, take, size), `rules` `[configurations]`, `costs`
// `[configurations x symbols]`, `funding` `[rows x bars]`, `windows` `[windows x 2]`. The windows of symbol s are
// `first_window[s] .. first_window[s + 1]`.
KERNEL(shadow_simulate, shadow::THREADS, const double* open, const double* high, const double* low, const double* close,
       const double* volume, const double* atr, const i8* side, const double* stop_bps, const double* take_bps,
       const double* size, const u32* columns, const u32* first_window, const u32* windows, const trade::Rules* rules,
       const trade::Costs* costs, const double* funding, const u64* offsets, u32* counts,
       shadow::Trade* trades, u32 symbols, u32 bars, u32 jobs, u32 writes) {
    const u32 job = thread_in_grid();
    if (job >= jobs) {
        return;
    }
    const u32 symbol = job % symbols;
    const u64 row = static_cast<u64>(symbol) * bars;
    const u32* own = columns + job / symbols * 4u;
    const u64 table = static_cast<u64>(symbols) * bars;
    const trade::Bars candles = {open + row, high + row, low + row, close + row, volume + row};
    const shadow::Signals signals = {side + own[0] * table + row, stop_bps + own[1] * table + row,
                                     take_bps + own[2] * table + row, size + own[3] * table + row};
    const trade::Rules r = rules[job / symbols];
    shadow::Book book = {writes != 0u ? trades + offsets[job] : nullptr, symbol, 0u};
    for (u32 w = first_window[symbol]; w < first_window[symbol + 1u]; ++w) {
        shadow::simulate(book, signals, candles, atr + row, windows[w * 2u], windows[w * 2u + 1u], r,
                         costs[job], {funding, bars});
    }
    counts[job] = book.count;
}
