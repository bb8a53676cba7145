"""The worker: checks its surroundings, compiles, builds its parts, and hands over to Faust."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time

from stream_rec.adapters.batch_producer import BatchProducer
from stream_rec.adapters.changelog import Contiguity
from stream_rec.adapters.drift import DriftWatch, import_early
from stream_rec.adapters.faust_app import FaustSettings, build_app, run_worker
from stream_rec.adapters.item_tail import ItemTail
from stream_rec.adapters.lease import Lease
from stream_rec.adapters.metrics import Metrics
from stream_rec.adapters.model_tail import ModelTail
from stream_rec.adapters.user_restore import UserRestore
from stream_rec.adapters.user_store_rocksdb import RocksUserStore, new_cache
from stream_rec.config import Settings
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.presets import DAY_MS
from stream_rec.core.ranking.cascade import new_cascade
from stream_rec.core.state.items import ItemTable
from stream_rec.core.user_plane import PlaneSettings, UserPlane
from stream_rec.errors import ConfigError
from stream_rec.roles.edge import FaustSource, WorkerEdge
from stream_rec.roles.effects import ROUNDS_IN_FLIGHT
from stream_rec.roles.parts import Parts
from stream_rec.roles.preflight import Surroundings, check
from stream_rec.roles.warmup import warm_up

CACHE_BYTES = 32 << 20

GC_THRESHOLD = (50_000, 20, 100)
"""A round makes thousands of objects and no cycles: the usual 700 spends 6 % of the time looking for some."""

SWITCH_INTERVAL_S = 0.0005
"""The event loop waits this long for the consumer's thread, which parses fetches: the usual 5 ms would be seen."""

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Run a worker until it is stopped; the process ends here.

    Raises
    ------
    ConfigError
        Something around the worker is not as needed; nothing was started.
    """
    _check_cache(settings)
    surroundings = check(settings)
    early = import_early() if settings.worker.drift_lines else None
    plane = plane_settings(settings, surroundings.partitions)
    warm_up(plane, settings.ranking.chosen_preset())
    if early is not None:
        early.join()  # an import inside the loop looks like a frozen worker, as a compile does
    if settings.worker.uvloop:
        import mode.loop

        mode.loop.use("uvloop")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    source = FaustSource()
    parts = build_parts(settings, surroundings, plane, source)
    restore = UserRestore(settings.kafka.bootstrap, settings.topics.user_state, parts.changelog, parts.contiguity)
    cache = new_cache(CACHE_BYTES)

    def open_store(partition: int) -> RocksUserStore:
        return RocksUserStore(settings.worker.data_dir, partition, surroundings.cluster_id, cache)

    edge = WorkerEdge(parts, source, restore, open_store)
    source.app = build_app(faust_settings(settings), edge)
    serve_metrics(settings, parts.metrics)
    gc.collect()
    gc.freeze()  # modules and kernels live as long as the process: the collector need not look at them
    gc.set_threshold(*GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    run_worker(source.app, loop)


def plane_settings(settings: Settings, partitions: int) -> PlaneSettings:
    """Return what the user plane needs of the settings."""
    worker, ranking = settings.worker, settings.ranking
    pinned, mix = ranking.fusion()
    return PlaneSettings(
        clicks_topic=settings.topics.clicks,
        purchases_topic=settings.topics.purchases,
        partitions=partitions,
        list_size=ranking.list_size,
        exclude=ranking.exclude,
        fresh_every=ranking.sample_every,
        thorough_users=ranking.cascade_users,
        pinned=pinned,
        mix=mix,
        model_share=ranking.model_share,
        foreign_partition_is_dead=worker.foreign_partition_is_dead,
        cached_users=worker.user_cache_users,
        idle_user_ms=worker.idle_user_days * DAY_MS,
        refresh_ms=ranking.refresh_days * DAY_MS,
        exposure=ranking.exposure,
    )


def faust_settings(settings: Settings) -> FaustSettings:
    """Return what the Faust app needs of the settings."""
    topics, worker = settings.topics, settings.worker
    return FaustSettings(
        group=settings.kafka.group,
        bootstrap_servers=settings.kafka.bootstrap,
        datadir=str(worker.data_dir / "faust"),
        user_topics=(topics.clicks, topics.purchases),
        deltas_topic=topics.item_deltas,
        client_id=settings.kafka.client_id,
        session_s=worker.session_timeout_s,
        commit_interval_s=worker.commit_interval_s,
        batch_records=worker.batch_records,
    )


def build_parts(settings: Settings, surroundings: Surroundings, plane: PlaneSettings, source: FaustSource) -> Parts:
    """Build everything an assignment uses; nothing is connected yet."""
    bootstrap, topics, preset = settings.kafka.bootstrap, settings.topics, settings.ranking.chosen_preset()
    items, metrics = ItemTable(preset), Metrics()
    cascade = new_cascade(preset) if settings.ranking.cascade and not plane.pinned else None
    outputs, changelog, rows = (BatchProducer(bootstrap) for _ in range(3))
    tail = ItemTail(
        bootstrap,
        items,
        rows_topic=topics.item_rows,
        items_topic=topics.items,
        on_refused=lambda reason: metrics.add("catalogue_refused", reason=reason),
    )
    return Parts(
        settings=settings,
        items=items,
        users=UserPlane(plane, preset, items, surroundings.partitions, seconds=time.perf_counter, second=cascade),
        cascade=cascade,
        item_plane=ItemPlane(items, surroundings.partitions),
        tail=tail,
        model_tail=ModelTail(bootstrap, models_topic=topics.models, vectors_topic=topics.item_vectors),
        lease=Lease(settings.worker.session_timeout_s),
        contiguity=Contiguity(),
        outputs=outputs,
        changelog=changelog,
        rows=rows,
        metrics=metrics,
        drift=DriftWatch(metrics, settings.worker.drift_lines),
        source=source,
    )


def serve_metrics(settings: Settings, metrics: Metrics) -> None:
    """Serve /metrics, unless it is switched off.

    Raises
    ------
    ConfigError
        The address is taken.
    """
    host, port = settings.worker.metrics_host, settings.worker.metrics_port
    if port == 0:
        return
    try:
        metrics.serve(host, port)
    except OSError as error:
        raise ConfigError(
            f"metrics: need a free address; got {error} on {host}:{port}. Set STREAM_REC_WORKER__METRICS_PORT."
        ) from error
    log.info("metrics on http://%s:%d/metrics", host, port)


def _check_cache(settings: Settings) -> None:
    """The rounds in flight must fit into the user cache, or a state could be read back before it is written."""
    worker = settings.worker
    needed = (ROUNDS_IN_FLIGHT + 2) * worker.round_records
    if worker.user_cache_users < needed:
        raise ConfigError(
            f"STREAM_REC_WORKER__USER_CACHE_USERS: need at least {needed}, {ROUNDS_IN_FLIGHT + 2} rounds of "
            f"{worker.round_records} records; got {worker.user_cache_users}. Raise it, or lower "
            "STREAM_REC_WORKER__ROUND_RECORDS."
        )
