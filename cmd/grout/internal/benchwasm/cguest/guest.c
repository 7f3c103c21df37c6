// The workloads of the benchmark that are written in C, without a library. A command is the name of one byte and
// the number of rounds, little-endian.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("grout_v1"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))
HOST(input_read) u32 input_read(void *dst, u32 offset, u32 len);
HOST(output_write) void output_write(const void *ptr, u32 len);

static u8 input[64];
static u8 memory[1 << 20];
static u32 slots[1 << 14];

// hash is SHA-256's rounds over a block: rotations, additions, logic.
static u64 hash(u32 round) {
  u32 w[64], s[8] = {1, 2, 3, 4, 5, 6, 7, round};
#define R(x, n) ((x) >> (n) | (x) << (32 - (n)))
  for (int i = 0; i < 16; i++) w[i] = round * 2654435761u + i;
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7] + (R(w[i - 15], 7) ^ R(w[i - 15], 18) ^ w[i - 15] >> 3) + (R(w[i - 2], 17) ^ R(w[i - 2], 19) ^ w[i - 2] >> 10);
  for (int i = 0; i < 64; i++) {
    u32 t = s[7] + (R(s[4], 6) ^ R(s[4], 11) ^ R(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + w[i];
    for (int k = 7; k > 0; k--) s[k] = s[k - 1];
    s[4] += t;
    s[0] = t + (R(s[0], 2) ^ R(s[0], 13) ^ R(s[0], 22));
  }
  return s[0] ^ s[4];
}

// sieve is a loop of stores without calls.
static u64 sieve(u32 round) {
  u32 n = 20000 + round % 7, found = 0;
  for (u32 i = 0; i < n; i++) memory[i] = 1;
  for (u32 i = 2; i < n; i++) {
    if (!memory[i]) continue;
    found++;
    for (u32 k = 2 * i; k < n; k += i) memory[k] = 0;
  }
  return found;
}

__attribute__((noinline)) static u64 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// mandelbrot is floating point in a tight loop.
static u64 mandelbrot(u32 round) {
  u64 n = 0;
  for (int y = 0; y < 16; y++)
    for (int x = 0; x < 16; x++) {
      double cr = x / 8.0 - 1.5, ci = y / 8.0 - 1.0 + round % 3 * 0.01, zr = 0, zi = 0;
      for (int i = 0; i < 64 && zr * zr + zi * zi < 4; i++, n++) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
      }
    }
  return n;
}

static double cells[32 * 32 * 3];

// matrix multiplies, with its numbers in memory.
static u64 matrix(u32 round) {
  double *a = cells, *b = cells + 1024, *c = cells + 2048;
  for (int i = 0; i < 1024; i++) a[i] = i + round, b[i] = 1024 - i;
  for (int i = 0; i < 32; i++)
    for (int k = 0; k < 32; k++) {
      double s = 0;
      for (int j = 0; j < 32; j++) s += a[32 * i + j] * b[32 * j + k];
      c[32 * i + k] = s;
    }
  return (u64)c[33];
}

// table is a hash table with open addressing.
static u64 table(u32 round) {
  u32 found = 0;
  for (u32 i = 0; i < 500; i++) {
    u32 key = (i * 7919 + round) % 8000 + 1, at = key * 2654435761u >> 18;
    while (slots[at] && slots[at] != key) at = (at + 1) & 16383;
    found += slots[at] == key;
    slots[at] = key;
  }
  return found;
}

// blocks moves memory in pieces of several sizes.
static u64 blocks(u32 round) {
  for (u32 size = 16; size <= 1 << 16; size *= 4) {
    __builtin_memcpy(memory + (1 << 19), memory + round % 64, size);
    __builtin_memset(memory + size, (int)round, size / 2);
  }
  return memory[1 << 19];
}

static int up(const u32 *a, const u32 *b) { return *a < *b ? -1 : *a > *b; }
static int down(const u32 *a, const u32 *b) { return up(b, a); }
static int (*volatile order[2])(const u32 *, const u32 *) = {up, down};

// sort compares through a pointer.
static u64 sort(u32 round) {
  int (*compare)(const u32 *, const u32 *) = order[round & 1];
  u32 *v = slots, x = round + 1;
  for (int i = 0; i < 128; i++) v[i] = x = x * 1664525 + 1013904223;
  for (int i = 1; i < 128; i++)
    for (int k = i; k > 0 && compare(&v[k - 1], &v[k]) > 0; k--) {
      u32 t = v[k];
      v[k] = v[k - 1];
      v[k - 1] = t;
    }
  return v[7];
}

static u64 counter;

EXPORT(grout_init) int grout_init(u32 n) { return 0; }

EXPORT(grout_apply) int grout_apply(u32 n) {
  input_read(input, 0, 64);
  u32 rounds = input[1] | input[2] << 8 | input[3] << 16 | (u32)input[4] << 24;
  u64 sum = 0;
  for (u32 i = 0; i < rounds; i++) switch (input[0]) {
      case 'h': sum += hash(i); break;
      case 'l': sum += sieve(i); break;
      case 'c': sum += fib(20); break;
      case 'f': sum += mandelbrot(i); break;
      case 'x': sum += matrix(i); break;
      case 'm': sum += table(i); break;
      case 'b': sum += blocks(i); break;
      case 's': sum += sort(i); break;
      case 't': sum += counter += input[5]; break;
    }
  output_write(&sum, 8);
  return 0;
}

EXPORT(grout_query) int grout_query(u32 n) { return grout_apply(n); }
