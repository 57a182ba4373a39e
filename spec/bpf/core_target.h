/* SPDX-License-Identifier: GPL-2.0 */
/* The types of a kernel that never was, with names that begin with PREFIX: core_target.bpf.c has
 * them without one, and core_foreign.bpf.c with one, to know what to expect. */
#define CORE_JOIN2(a, b) a##b
#define CORE_JOIN(a, b)  CORE_JOIN2(a, b)
#define CORE(name)       CORE_JOIN(PREFIX, name)

struct CORE(part) {
	long long before;
	int y[6];
	unsigned short x;
};

struct CORE(widget) {
	char moved[40];
	unsigned long long count; /* was unsigned int */
	unsigned short total; /* was unsigned long long */
	short level; /* was int */
	union {
		int other;
		struct {
			char pad[3];
			signed char sign; /* was signed char, outside of anything */
			int hidden;
		};
	};
	unsigned int low : 5;
	unsigned int mode : 9; /* was 3 bits elsewhere */
	int slope : 7; /* was 20 bits */
	unsigned long long flag; /* was 1 bit */
	unsigned int plain : 6; /* was unsigned int */
	struct CORE(part) part;
	struct CORE(part) parts[5]; /* were 3 */
	int id;
	void *pointer;
	int tail[0];
};

enum CORE(color) {
	CORE(RED) = 7,
	CORE(BLUE) = -3,
};

typedef struct {
	int a;
	int b;
} CORE(pair_t);

struct CORE(alike) {
	int first;
	unsigned char *text;
	struct CORE(part) * part;
	int added;
};

union CORE(shape) {
	int circle;
	long long square;
};
