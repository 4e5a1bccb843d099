// A VST3 plugin for the tests: stereo, a gain from 0 to 2, and a delay of LATENCY samples that it reports to its host.
// With INSTRUMENT defined it has no input and plays silence.
#include "DistrhoPlugin.hpp"

#include <algorithm>
#include <vector>

START_NAMESPACE_DISTRHO

class LateGain : public Plugin {
public:
    LateGain() : Plugin(1, 0, 0) {
        setLatency(LATENCY);
        activate();
    }

protected:
    const char* getLabel() const override { return "LateGain"; }
    const char* getMaker() const override { return "StreamVC tests"; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'v', 'L', 'g'); }

    void initParameter(uint32_t, Parameter& parameter) override {
        parameter.hints = kParameterIsAutomatable;
        parameter.name = "Gain";
        parameter.symbol = "gain";
        parameter.ranges.def = 1.0f;
        parameter.ranges.min = 0.0f;
        parameter.ranges.max = 2.0f;
    }

    float getParameterValue(uint32_t) const override { return gain; }
    void setParameterValue(uint32_t, float value) override { gain = value; }

    void activate() override {
        for (std::vector<float>& line : lines)
            line.assign(LATENCY + 1, 0.0f);
        position = 0;
    }

#ifdef INSTRUMENT
    void run(const float**, float** outputs, uint32_t frames) override {
        for (int channel = 0; channel < 2; ++channel)
            std::fill_n(outputs[channel], frames, 0.0f);
    }
#else
    void run(const float** inputs, float** outputs, uint32_t frames) override {
        for (uint32_t i = 0; i < frames; ++i) {
            for (int channel = 0; channel < 2; ++channel) {
                lines[channel][position] = inputs[channel][i];
                outputs[channel][i] = gain * lines[channel][(position + 1) % (LATENCY + 1)];
            }
            position = (position + 1) % (LATENCY + 1);
        }
    }
#endif

private:
    float gain = 1.0f;
    std::vector<float> lines[2];
    size_t position = 0;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(LateGain)
};

Plugin* createPlugin() {
    return new LateGain();
}

END_NAMESPACE_DISTRHO
