/* Sends small UDP packets as fast as one core can, or so many a second: send_packets ADDRESS PORT PAYLOAD_BYTES SECONDS FLOWS [RATE]
 * Prints how many were sent. Each flow is a connected socket; a call of sendmmsg sends 64 packets of one flow. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, MOST_FLOWS = 1024 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

int main(int count, char **words) {
    static int flows[MOST_FLOWS];
    static char payload[1400];
    if (count != 6 && count != 7) return 2;
    double rate = count == 7 ? atof(words[6]) : 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    inet_pton(AF_INET, words[1], &to.sin_addr);
    struct iovec piece = {payload, atoi(words[3])};
    int flow_count = atoi(words[5]);
    for (int i = 0; i < flow_count; i++) {
        flows[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (connect(flows[i], (struct sockaddr *)&to, sizeof to)) return 1;
    }
    struct mmsghdr messages[BATCH];
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &piece;
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    long sent = 0;
    double began = seconds(), end = began + atof(words[4]);
    for (int i = 0; seconds() < end; i = (i + 1) % flow_count) {
        int done = sendmmsg(flows[i], messages, BATCH, 0);
        if (done > 0) sent += done;
        if (rate > 0 && began + sent / rate > seconds()) {
            double wait = began + sent / rate - seconds();
            nanosleep(&(struct timespec){.tv_nsec = wait > 0 ? wait * 1e9 : 0}, NULL);
        }
    }
    printf("%ld\n", sent);
    return 0;
}
