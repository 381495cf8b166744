/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

int main(void) {
        return fx_run(suite_create("memory"));
}
