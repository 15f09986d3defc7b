/*
 * Links that are followed only when they belong to the owner of what they lead to.
 */
#ifndef HTTPD_HANDLERS_LINK_OWNER_H
#define HTTPD_HANDLERS_LINK_OWNER_H

/* Opens a path below an open folder for reading, step by step, so that nobody can put another link
 * in place between the check and the opening. Never leads out of the folder. A descriptor, or -1
 * with errno: EACCES when a link has another owner than its target. */
int http_link_owner_open(int root, const char *path);

#endif
