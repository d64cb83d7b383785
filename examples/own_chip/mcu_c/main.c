/* Steps the network of network.h. Input: a line of 0 and 1 per step, an empty line for a new sample (membranes at rest).
   Output: for each step a line per population, its name and its spikes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "network.h"

static uint8_t spikes[POPULATIONS + 1][MOST]; /* 0: the input */
static int32_t membrane[POPULATIONS][MOST];

/* Down to nearest, ties away from zero. */
static int64_t rounded(int64_t value, int bits) {
    int64_t magnitude = (llabs(value) + ((int64_t)1 << (bits - 1))) >> bits;
    return value < 0 ? -magnitude : magnitude;
}

static int64_t shifted(int64_t value, int shift) {
    return shift >= 0 ? value * ((int64_t)1 << shift) : rounded(value, -shift);
}

static int64_t arriving(const Into *into, int neuron) {
    int size = into->source ? populations[into->source - 1].size : INPUTS;
    const int8_t *weights = into->weights + (long)neuron * size;
    int64_t sum = 0;
    for (int i = 0; i < size; i++) sum += weights[i] * spikes[into->source][i];
    return shifted(sum, into->shift);
}

static void step(void) {
    for (int p = 0; p < POPULATIONS; p++) {
        const Population *of = &populations[p];
        for (int n = 0; n < of->size; n++) {
            int64_t v = rounded((int64_t)membrane[p][n] * of->decay[n], DECAY_BITS) + of->bias[n];
            for (int i = 0; i < of->count; i++) v += arriving(&of->into[i], n);
            if (v > STATE_MAX) v = STATE_MAX;
            if (v < -STATE_MAX - 1) v = -STATE_MAX - 1;
            spikes[p + 1][n] = v > of->threshold[n];
            membrane[p][n] = spikes[p + 1][n] ? of->reset[n] : (int32_t)v;
        }
    }
}

int main(void) {
    static char line[INPUTS + 3];
    while (fgets(line, sizeof line, stdin)) {
        if (strlen(line) < INPUTS) { memset(membrane, 0, sizeof membrane); continue; }
        for (int i = 0; i < INPUTS; i++) spikes[0][i] = line[i] == '1';
        step();
        for (int p = 0; p < POPULATIONS; p++) {
            printf("%s ", populations[p].name);
            for (int n = 0; n < populations[p].size; n++) putchar('0' + spikes[p + 1][n]);
            putchar('\n');
        }
    }
    return 0;
}
