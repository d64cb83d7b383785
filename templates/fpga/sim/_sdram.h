constexpr int64_t ps(double ns) { return int64_t(ns * 1000); }

// The chip of memory at the device's pins, as its data sheet has it: {{ memory.name }}. Its rules are checked at every
// edge of its clock, in picoseconds of the sheet and not in the controller's cycles; `fault` says what was broken first.
class Sdram {
  public:
    std::string fault;

    // A rising edge: what stands at the pins. Afterwards `out` is on the data bus, until the next.
    void edge(uint32_t command, uint32_t bank, uint32_t address, bool mask, bool driven, uint32_t data) {
        now_ += kPeriod;
        ++edges_;
        if (driven && gives_) broken("bus: both sides drive it");
        if (driven && gave_) broken("bus: the controller drives it in the cycle after the chip did");
        if (write_left_) take(driven, data);
        if (refreshes_) {
            debt_ += kPeriod;
            if (debt_ > 2 * kRefresh) broken("tREFI: refreshes come too seldom");
        }
        if (command != kNothing) obey(command, bank, address, mask, driven, data);
        Due& due = due_[(edges_ + 1) % kAhead];
        gave_ = gives_;
        gives_ = due.is;
        out_ = due.is ? due.data : 0;
        due.is = false;
    }

    uint32_t out() const { return out_; }

  private:
    static constexpr int64_t kPeriod = {{ memory.period_ps }}, kPowerUp = ps({{ 1000 * memory.chip.power_up_us }});
    static constexpr int64_t kRcd = ps({{ memory.chip.rcd_ns }}), kRp = ps({{ memory.chip.rp_ns }}), kRas = ps({{ memory.chip.ras_ns }});
    static constexpr int64_t kRc = ps({{ memory.chip.rc_ns }}), kRrd = ps({{ memory.chip.rrd_ns }}), kWr = ps({{ memory.chip.wr_ns }});
    static constexpr int64_t kRfc = ps({{ memory.chip.rfc_ns }}), kRefresh = ps({{ memory.chip.refi_ns }});
    static constexpr int64_t kCas2 = ps({{ memory.chip.cas2_ns }}), kCas3 = ps({{ memory.chip.cas3_ns }});
    static constexpr int64_t kWrCycles = {{ memory.chip.wr_cycles }}, kMrdCycles = {{ memory.chip.mrd_cycles }};
    static constexpr int64_t kRounding = 20;           // ps: of a period, over as many cycles as a time takes
    static constexpr int64_t kNever = -1000000000000;  // long ago
    static constexpr uint32_t kBanks = {{ memory.chip.banks }}, kRows = {{ memory.chip.rows }}, kColumns = {{ memory.chip.columns }};
    static constexpr uint32_t kBurst = 32 / {{ memory.data }}, kAhead = 8, kAll = 1 << 10;
    static constexpr uint32_t kNothing = 7, kRead = 5, kWrite = 4, kOpen = 3, kClose = 2, kRenew = 1, kMode = 0;

    struct Bank {
        bool open = true;  // or not: nobody knows at power-up
        uint32_t row = 0;
        int64_t opened = kNever, closed = kNever, written = kNever;
    };
    struct Due {
        bool is = false;
        uint32_t data = 0;
    };

    std::vector<uint32_t> words_ = std::vector<uint32_t>(size_t(kBanks) * kRows * kColumns);  // a column each
    Bank banks_[kBanks];
    Due due_[kAhead];                         // by the edge at which it is on the bus
    int64_t now_ = 0, debt_ = 0, opened_ = kNever, renewed_ = kNever;
    int64_t edges_ = 0, set_at_ = -8, burst_until_ = 0;
    uint32_t refreshes_ = 0, cas_ = 0;        // 0: the mode is not set
    uint32_t write_at_ = 0, write_left_ = 0, out_ = 0;
    bool read_goes_on_ = false, gives_ = false, gave_ = false;

    void broken(const std::string& what) {
        if (fault.empty()) fault = what + " (at " + std::to_string(now_ / 1000) + " ns)";
    }

    void within(const char* name, int64_t since, int64_t least) {
        const int64_t found = now_ - since;
        if (found + kRounding < least)
            broken(std::string(name) + ": " + std::to_string(found / 1000) + " ns, at least " + std::to_string(least / 1000));
    }

    void obey(uint32_t command, uint32_t bank, uint32_t address, bool mask, bool driven, uint32_t data) {
        if (now_ < kPowerUp) broken("power-up: a command before it is over");
        if (edges_ < set_at_ + kMrdCycles) broken("tMRD: a command too soon after the mode was set");
        within("tRFC", renewed_, kRfc);
        if (command == kOpen) open(banks_[bank % kBanks], address);
        else if (command == kRead || command == kWrite) access(command, bank % kBanks, address, mask, driven, data);
        else if (command == kClose) for (uint32_t i = 0; i < kBanks; ++i) { if (address & kAll || i == bank) close(banks_[i]); }
        else if (command == kRenew) renew();
        else if (command == kMode) set(bank, address);
        else broken("a command that the controller has no use for");
    }

    void open(Bank& bank, uint32_t row) {
        if (!cas_) broken("power-up: a row is opened before the mode is set");
        if (bank.open) broken("row: one is opened in a bank where one is open");
        if (row >= kRows) broken("row: there is none of this number");
        within("tRP", bank.closed, kRp);
        within("tRC", bank.opened, kRc);
        within("tRRD", opened_, kRrd);
        bank.open = true;
        bank.row = row % kRows;
        bank.opened = opened_ = now_;
    }

    void access(uint32_t command, uint32_t number, uint32_t column, bool mask, bool driven, uint32_t data) {
        Bank& bank = banks_[number];
        if (!cas_) broken("power-up: an access before the mode is set");
        if (!bank.open) broken("row: an access where none is open");
        if (column >= kColumns) broken("column: there is none of this number, or the row is to be closed behind it");
        if (mask) broken("DQM: high at an access");
        if (edges_ < burst_until_) broken("burst: an access in the middle of one");
        within("tRCD", bank.opened, kRcd);
        burst_until_ = edges_ + kBurst;
        const uint32_t at = (number * kRows + bank.row) * kColumns + column % kColumns;
        read_goes_on_ = command == kRead;
        if (command == kRead) {
            for (uint32_t beat = 0; beat < kBurst; ++beat)
                due_[(edges_ + cas_ + beat) % kAhead] = Due{true, words_[at ^ beat]};
        } else {
            bank.written = now_ + kPeriod * (kBurst - 1);
            write_at_ = at;
            write_left_ = kBurst;
            take(driven, data);
        }
    }

    void take(bool driven, uint32_t data) {
        if (!driven) broken("bus: nobody drives what is to be written");
        words_[write_at_] = data;
        write_at_ ^= 1;    // the other half of a word
        --write_left_;
    }

    void close(Bank& bank) {
        if (bank.open && cas_) {
            within("tRAS", bank.opened, kRas);
            within("tWR", bank.written, kWr > kWrCycles * kPeriod ? kWr : kWrCycles * kPeriod);
            if (read_goes_on_ && edges_ < burst_until_) broken("burst: its row is closed in the middle of it");
        }
        if (bank.open) bank.closed = now_;
        bank.open = false;
    }

    void are_closed(const char* what) {
        for (const Bank& bank : banks_) {
            if (bank.open) broken(std::string(what) + ": a row is open");
            within("tRP", bank.closed, kRp);
        }
    }

    void renew() {
        are_closed("refresh");
        ++refreshes_;
        renewed_ = now_;
        debt_ = debt_ > kRefresh ? debt_ - kRefresh : 0;
    }

    void set(uint32_t bank, uint32_t address) {
        are_closed("mode");
        if (refreshes_ < 2) broken("power-up: fewer than two refreshes before the mode is set");
        const uint32_t cas = address >> 4 & 7, burst = 1u << (address & 7);
        if (bank || address >> 7 || address & 8) broken("mode: bits that must be zero are not");
        if (burst != kBurst) broken("mode: a burst is not a word");
        if (!(cas == 2 && kPeriod + 1 >= kCas2) && !(cas == 3 && kPeriod + 1 >= kCas3)) broken("mode: CAS latency " + std::to_string(cas) + " at this clock");
        cas_ = cas == 2 ? 2 : 3;
        set_at_ = edges_;
    }
};
