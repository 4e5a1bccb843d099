// What DPF, the DISTRHO Plugin Framework, asks of a plugin at compile time.
#pragma once

#define DISTRHO_PLUGIN_BRAND "StreamVC tests"
#define DISTRHO_PLUGIN_NAME "Late Gain"
#define DISTRHO_PLUGIN_URI "urn:streamvc:late-gain"
#define DISTRHO_PLUGIN_BRAND_ID SvcT
#define DISTRHO_PLUGIN_UNIQUE_ID LtGn
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_LATENCY 1
#ifdef INSTRUMENT
#define DISTRHO_PLUGIN_NUM_INPUTS 0
#else
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#endif
