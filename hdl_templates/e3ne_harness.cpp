// Drives e3ne_top (built by Verilator with E3NE_PROBES) and writes down all that it does.
//
//   Ve3ne_top key=value ...
//     in       folder with, for input port k: beats_<k>.bin (the beats of all frames, each as
//              whole little-endian bytes), lengths_<k>.bin (beats of each frame, uint32)
//     probes   file: a line a node: `offset_bits width_bits name`
//     out      folder for: node_<k>.bin (each word as whole bytes), starts_<k>.bin (of input k,
//              uint64 each: the cycle that took a frame's first beat), answers_<k>.bin (beats of
//              output k, uint32 each), frames_<k>.bin (uint64 each: beats, last cycle), summary.txt
//     expect   frames that will come out (those of a wrong length are dropped)
//     stalls   0, or the seed of random pauses on all ports
//     weights  file: the bytes of the beats that the weight port takes first, where there is one
//     isolated 1: the next frame starts after all outputs of the one before
//     idle     cycles without any transfer after which the run ends as timed out
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "Ve3ne_top.h"
#include "verilated.h"

static void stop(const std::string& message) {
    std::fprintf(stderr, "error: %s\n", message.c_str());
    std::exit(2);
}

static std::vector<uint8_t> read_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) stop("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A file that is written in large pieces.
class Sink {
  public:
    explicit Sink(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
        if (!file_) stop("cannot write " + path);
        std::setvbuf(file_, nullptr, _IOFBF, 1 << 18);
    }
    void put(const void* bytes, size_t count) {
        if (std::fwrite(bytes, 1, count, file_) != count) stop("cannot write " + path_);
    }
    void close() {
        if (std::fclose(file_) != 0) stop("cannot write " + path_);
    }

  private:
    std::string path_;
    FILE* file_;
};

// One node's place in probe_data, and the words it has sent.
struct Probe {
    size_t offset, width;
    Sink sink;
    std::vector<uint8_t> word;

    void take(const uint8_t* data) {
        const uint8_t* from = data + offset / 8;
        const unsigned shift = offset % 8;
        const size_t whole = (width + 7) / 8;
        if (shift == 0) {
            std::memcpy(word.data(), from, whole);
        } else {
            for (size_t k = 0; k < whole; ++k)
                word[k] = uint8_t((from[k] | (unsigned(from[k + 1]) << 8)) >> shift);
        }
        if (width % 8) word[whole - 1] &= uint8_t((1u << (width % 8)) - 1);
        sink.put(word.data(), whole);
    }
};

// Random pauses whose density changes now and then, so that queues run both full and empty.
class Stalls {
  public:
    explicit Stalls(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull | 1), on_(seed != 0) {}
    bool pause() {
        if (!on_) return false;
        if (left_-- == 0) {
            left_ = 1 + next() % 64;
            density_ = next() % 8;
        }
        return next() % 8 < density_;
    }

  private:
    uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ >> 11;
    }
    uint64_t state_, left_ = 0, density_ = 0;
    bool on_;
};

// One input port: its signals, and the frames that it sends.
struct InputPort {
    CData &valid, &ready, &last;
    void* data;
    size_t data_bytes;
    std::vector<uint8_t> beats;
    std::vector<uint32_t> lengths;
    size_t beat_bytes = 0, beat = 0, beat_in_frame = 0, frames = 0;
    bool offered = false;
    std::unique_ptr<Stalls> stalls;
    std::unique_ptr<Sink> starts;

    // The weight port: one frame of beats, whose file has no lengths.
    void load_weights(const std::string& path, size_t bytes) {
        beats = read_bytes(path);
        beat_bytes = bytes;
        lengths = {uint32_t(beats.size() / bytes)};
    }
    bool finished() const { return frames == lengths.size(); }
    void load(const std::string& folder, const std::string& place) {
        beats = read_bytes(folder + "/beats_" + place + ".bin");
        const std::vector<uint8_t> bytes = read_bytes(folder + "/lengths_" + place + ".bin");
        lengths.resize(bytes.size() / 4);
        std::memcpy(lengths.data(), bytes.data(), lengths.size() * 4);
        size_t total = 0;
        for (uint32_t length : lengths) total += length;
        beat_bytes = total ? beats.size() / total : 0;
        if (beat_bytes > data_bytes) stop("beats are wider than tdata of input " + place);
    }
    void drive(bool held) {
        if (!offered)
            offered = !finished() && !(held && beat_in_frame == 0) && !stalls->pause();
        valid = offered;
        if (!offered) return;
        std::memcpy(data, &beats[beat * beat_bytes], beat_bytes);
        last = beat_in_frame + 1 == lengths[frames];
    }
    bool sample(uint64_t cycle) {
        if (!offered || !ready) return false;
        if (beat_in_frame == 0 && starts) starts->put(&cycle, 8);
        ++beat;
        if (++beat_in_frame == lengths[frames]) {
            beat_in_frame = 0;
            ++frames;
        }
        offered = false;
        return true;
    }
};

// One output port: its signals, and where its beats go.
struct OutputPort {
    CData &valid, &ready, &last;
    const void* data;
    size_t data_bytes;
    uint64_t beats_in_frame = 0, frames = 0;
    std::unique_ptr<Stalls> stalls;
    std::unique_ptr<Sink> beats, ends;

    bool sample(uint64_t cycle) {
        if (!valid || !ready) return false;
        uint32_t beat = 0;
        std::memcpy(&beat, data, data_bytes);
        beats->put(&beat, 4);
        ++beats_in_frame;
        if (last) {
            ends->put(&beats_in_frame, 8);
            ends->put(&cycle, 8);
            beats_in_frame = 0;
            ++frames;
        }
        return true;
    }
};

#include "e3ne_ports.h"

int main(int argc, char** argv) {
    std::map<std::string, std::string> option = {
        {"stalls", "0"}, {"isolated", "0"}, {"idle", "1000000"}};
    for (int k = 1; k < argc; ++k) {
        const std::string text(argv[k]);
        const size_t equals = text.find('=');
        if (equals == std::string::npos) stop("not key=value: " + text);
        option[text.substr(0, equals)] = text.substr(equals + 1);
    }
    const std::string out = option["out"];
    const uint64_t expect = std::stoull(option["expect"]);
    const uint64_t idle_limit = std::stoull(option["idle"]);
    const uint64_t seed = std::stoull(option["stalls"]);
    const bool isolated = option["isolated"] == "1";

    auto top = std::make_unique<Ve3ne_top>();
    std::vector<InputPort> inputs = input_ports(top.get());
    std::vector<OutputPort> outputs = output_ports(top.get());
    for (size_t k = 0; k < inputs.size(); ++k) {
        const std::string place = std::to_string(k);
        inputs[k].load(option["in"], place);
        inputs[k].stalls = std::make_unique<Stalls>(seed ? seed + 2 * k : 0);
        inputs[k].starts = std::make_unique<Sink>(out + "/starts_" + place + ".bin");
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
        const std::string place = std::to_string(k);
        outputs[k].stalls = std::make_unique<Stalls>(seed ? seed + 2 * k + 1 : 0);
        outputs[k].beats = std::make_unique<Sink>(out + "/answers_" + place + ".bin");
        outputs[k].ends = std::make_unique<Sink>(out + "/frames_" + place + ".bin");
    }

    std::vector<InputPort> loads = weight_ports(top.get());
    for (InputPort& load : loads) {
        load.load_weights(option["weights"], load.data_bytes);
        load.stalls = std::make_unique<Stalls>(seed ? seed + 1000 : 0);
        load.valid = 0;
    }

    std::vector<Probe> probes;
    std::ifstream layout(option["probes"]);
    if (!layout) stop("cannot read " + option["probes"]);
    for (std::string line; std::getline(layout, line);) {
        size_t offset = 0, width = 0;
        if (std::sscanf(line.c_str(), "%zu %zu", &offset, &width) != 2) stop("bad line: " + line);
        const std::string path = out + "/node_" + std::to_string(probes.size()) + ".bin";
        probes.push_back({offset, width, Sink(path), std::vector<uint8_t>((width + 7) / 8)});
    }

    // Little-endian ports: Verilator keeps a port as an integer or as 32-bit words, low first.
    const auto* strobe = reinterpret_cast<const uint8_t*>(&top->probe_strobe);
    std::vector<uint8_t> data(sizeof(top->probe_data) + 2);

    uint64_t cycle = 0, idle = 0, frames_out = 0;
    size_t drained = 0;
    bool timed_out = false;

    top->rst = 1;
    for (InputPort& input : inputs) input.valid = 0;
    for (OutputPort& output : outputs) output.ready = 0;
    for (int k = 0; k < 4; ++k) {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
    }
    top->rst = 0;

    while (drained < 64) {
        for (InputPort& input : inputs) input.drive(isolated && frames_out < input.frames);
        for (InputPort& load : loads) load.drive(false);
        for (OutputPort& output : outputs) output.ready = !output.stalls->pause();
        top->clk = 0;
        top->eval();

        bool moved = false, sent = true;
        for (InputPort& load : loads) moved |= load.sample(cycle);
        for (InputPort& input : inputs) {
            moved |= input.sample(cycle);
            sent &= input.finished();
        }
        frames_out = UINT64_MAX;
        for (OutputPort& output : outputs) {
            moved |= output.sample(cycle);
            frames_out = std::min(frames_out, output.frames);
        }
        bool copied = false;
        for (size_t k = 0; k < probes.size(); ++k) {
            if (!(strobe[k / 8] >> (k % 8) & 1)) continue;
            if (!copied) std::memcpy(data.data(), &top->probe_data, sizeof(top->probe_data));
            copied = moved = true;
            probes[k].take(data.data());
        }
        top->clk = 1;
        top->eval();
        ++cycle;

        idle = moved ? 0 : idle + 1;
        if (sent && frames_out >= expect) ++drained;
        if (idle > idle_limit) {
            timed_out = true;
            break;
        }
    }
    top->clk = 0;
    top->eval();

    for (InputPort& input : inputs) input.starts->close();
    for (OutputPort& output : outputs) {
        output.beats->close();
        output.ends->close();
    }
    for (Probe& probe : probes) probe.sink.close();
    std::ofstream summary(out + "/summary.txt");
    summary << "cycles " << cycle << "\nerror " << int(top->error) << "\ntimed_out " << timed_out
            << "\nframes_out " << frames_out << "\n";
    summary.close();
    if (!summary) stop("cannot write " + out + "/summary.txt");
    top->final();
    return 0;
}
