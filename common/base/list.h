/*
 * Intrusive doubly linked list: a head and nodes are the same struct, linked in a ring.
 */
#ifndef KEEL_BASE_LIST_H
#define KEEL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct keel_list {
    struct keel_list *next, *prev;
};
#define KEEL_CONTAINER(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void keel_list_init(struct keel_list *l)
{
    l->next = l->prev = l;
}
static inline bool keel_list_empty(const struct keel_list *l)
{
    return l->next == l;
}
static inline void keel_list_insert_after(struct keel_list *at, struct keel_list *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}
static inline void keel_list_push_front(struct keel_list *head, struct keel_list *node)
{
    keel_list_insert_after(head, node);
}
static inline void keel_list_push_back(struct keel_list *head, struct keel_list *node)
{
    keel_list_insert_after(head->prev, node);
}
/* The node is a ring of its own afterwards, so that removing it twice is harmless. */
static inline void keel_list_remove(struct keel_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    keel_list_init(node);
}
#define keel_list_for(it, head)                                                                    \
    for (struct keel_list *it = (head)->next; it != (head); it = it->next)
/* The current node may be removed in the body. */
#define keel_list_for_safe(it, head)                                                               \
    for (struct keel_list *it = (head)->next, *it##_next = it->next; it != (head);                 \
         it = it##_next, it##_next = it->next)

#endif
