/* Sends UDP frames past the IP stack, as fast as one core can: send_frames INTERFACE FRAME_BYTES SECONDS FLOWS
 * Prints how many were sent. Frames lie in a ring that is shared with the kernel (PACKET_TX_RING) and pass no queue
 * (PACKET_QDISC_BYPASS). They are for another host's address, so the receiving stack lets go of them once they were captured. Each
 * flow has its own source address and port; of one to the next, a frame goes to each in turn. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { SLOT = 2048, SLOTS = 1024, BATCH = 256, HEADERS = 42 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void put16(uint8_t *at, uint16_t value) { at[0] = value >> 8, at[1] = value & 255; }

static void fill(uint8_t *frame, int bytes) {
    static const uint8_t addresses[12] = {2, 0, 0, 0, 0x77, 2, 2, 0, 0, 0, 0x77, 1};
    memset(frame, 0, bytes);
    memcpy(frame, addresses, 12);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45, frame[22] = 64, frame[23] = 17;
    put16(frame + 16, bytes - 14);
    memcpy(frame + 30, (uint8_t[]){10, 78, 0, 1}, 4); /* nobody's */
    put16(frame + 36, 9);
    put16(frame + 38, bytes - 34);
}

static void choose(uint8_t *frame, uint32_t flow) {
    frame[26] = 10, frame[27] = 79 + (flow >> 28), frame[28] = flow >> 20, frame[29] = flow >> 12;
    put16(frame + 34, 32768 + (flow & 4095));
}

int main(int count, char **words) {
    if (count != 5) return 2;
    int bytes = atoi(words[2]), version = TPACKET_V2, yes = 1;
    uint32_t flows = atoi(words[4]), flow = 0;
    if (bytes < HEADERS || bytes > 1514 || !flows) return 2;
    int file = socket(AF_PACKET, SOCK_RAW, 0);
    struct tpacket_req ring = {.tp_block_size = SLOT * 64, .tp_block_nr = SLOTS / 64, .tp_frame_size = SLOT, .tp_frame_nr = SLOTS};
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(words[1])};
    if (setsockopt(file, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
        setsockopt(file, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) ||
        setsockopt(file, SOL_PACKET, PACKET_TX_RING, &ring, sizeof ring) || bind(file, (struct sockaddr *)&to, sizeof to))
        return perror("send_frames"), 1;
    uint8_t *slots = mmap(NULL, SLOT * SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (slots == MAP_FAILED) return perror("send_frames"), 1;
    const int at = TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
    for (int i = 0; i < SLOTS; i++) fill(slots + i * SLOT + at, bytes);
    long sent = 0;
    double end = seconds() + atof(words[3]);
    for (int next = 0; seconds() < end;) {
        for (int i = 0; i < BATCH; i++, next = (next + 1) % SLOTS) {
            struct tpacket2_hdr *header = (void *)(slots + next * SLOT);
            choose((uint8_t *)header + at, flow);
            flow = flow + 1 < flows ? flow + 1 : 0;
            header->tp_len = bytes;
            __atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
        }
        ssize_t done = send(file, NULL, 0, 0); /* waits until all are on their way */
        if (done < 0 && errno != ENOBUFS) return perror("send_frames"), 1;
        sent += done > 0 ? done / bytes : 0;
    }
    printf("%ld\n", sent);
    return 0;
}
