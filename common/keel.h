/*
 * The one header that a module or a new daemon includes.
 */
#ifndef KEEL_H
#define KEEL_H

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/base/clients.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/str.h"
#include "common/base/wire.h"
#include "common/runtime/child.h"
#include "common/runtime/dgram.h"
#include "common/runtime/file.h"
#include "common/runtime/loop.h"
#include "common/runtime/offload.h"
#include "common/runtime/packet.h"
#include "common/runtime/sock.h"
#include "common/runtime/stream.h"
#include "common/runtime/timer.h"
#include "common/runtime/tls.h"
#include "common/runtime/watch.h"
#include "common/service/conf.h"
#include "common/service/control.h"
#include "common/service/daemon.h"
#include "common/service/log.h"
#include "common/service/metric.h"
#include "common/service/module.h"
#include "common/service/trace.h"
#include "common/store/store.h"

#endif
