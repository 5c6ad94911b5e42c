using Gateway.Api;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Guards;
using Gateway.Jobs;
using Gateway.Limits;
using Gateway.Records;
using Gateway.Responses;
using Gateway.Security;
using Gateway.Storage;
using Gateway.Telemetry;

namespace Gateway.Hosting;

/// <summary>The parts of the front door, by room. Background services stop in reverse order, after the listener.</summary>
internal static class GatewayServices
{
    /// <summary>Registers every part on an opened store.</summary>
    public static void AddGateway(
        this IServiceCollection services, ServeOptions options, GatewayStore store, BaseModel model, IReadOnlyList<WorkerState> workers,
        ResponseIdSigner ids, TimeProvider clock)
    {
        services.AddSingleton(options);
        services.AddSingleton(clock);
        services.AddSingleton(model);
        services.AddSingleton(new DataFolder(options.Data));
        services.AddSingleton(ids);
        services.AddStorage(store, options.Records);
        services.AddRecords(options.Records);
        services.AddFrontDoor(workers, options);
        services.AddKeys(options.OperatorKey);
        services.AddLimits(options.Requests, store);
        services.AddSingleton(provider => new GuardClassifier(options.GuardAddresses, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new GuardChains(options.Guards, provider.GetRequiredService<GuardClassifier>()));
        services.AddSingleton<MetricCollector>();
        services.AddSingleton<ReplyTelemetry>();
        services.AddApi();
        services.AddLearning(options.Learning with { ModelDirectory = options.Model, Threads = options.Threads });
    }

    private static void AddStorage(this IServiceCollection services, GatewayStore store, RecordOptions records)
    {
        services.AddSingleton<IDocumentStore>(_ => store.Documents);
        services.AddSingleton(_ => store);
        services.AddSingleton<IInteractionLog>(_ => records.Redact ? new RedactingLog(store.Interactions) : store.Interactions);
        services.AddSingleton<ControlPlane>();
        services.AddSingleton<Leases>();
    }

    private static void AddFrontDoor(this IServiceCollection services, IReadOnlyList<WorkerState> workers, ServeOptions options)
    {
        services.AddHttpForwarder();
        services.AddSingleton(options.Routing);
        services.AddSingleton(provider => new WorkerPool(workers, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<WorkerRegistry>();
        services.AddSingleton(provider => new WorkerClient(options.WorkerToken, provider.GetRequiredService<RequestLimits>().Connect));
        services.AddSingleton<WorkerAdapters>();
        services.AddSingleton<PrefixWarming>();
        services.AddSingleton<RoutingState>();
        services.AddSingleton<TrafficSwitch>();
        services.AddSingleton<ReleaseBuilder>();
        services.AddSingleton(AdapterSignatures.Load(options.TrustedAdapterKeys, options.RequireSignedAdapters));
        services.AddSingleton<AdapterRegistry>();
        services.AddSingleton<StoredCompletions>();
        services.AddSingleton<WorkerRoad>();
        services.AddSingleton<ChatRoad>();
        services.AddSingleton(options.Responses);
        services.AddSingleton<StoredResponses>();
        services.AddSingleton<ResponseChain>();
        services.AddSingleton<ResponsesRoad>();
        services.AddBackground<ResponseSweeper>();
        services.AddBackground<DrainGate>();
        services.AddSingleton<EmbeddingsRoad>();
        services.AddBackground<InteractionRecorder>();
        services.AddBackground<WorkerHealthMonitor>();
        services.AddBackground<RoutingWatcher>();
    }

    private static void AddKeys(this IServiceCollection services, string? operatorKey)
    {
        services.AddSingleton(provider => new KeyRing(provider.GetRequiredService<IDocumentStore>(), operatorKey));
        services.AddSingleton<KeyIssuer>();
        services.AddBackground<KeyWatcher>();
    }

    private static void AddLimits(this IServiceCollection services, RequestLimits limits, GatewayStore store)
    {
        services.AddSingleton(limits);
        services.AddSingleton<LocalLimitLedger>();
        services.AddSingleton<RequestLimiter>();
        if (store.Redis is { } redis)
        {
            services.AddSingleton<ILimitLedger>(provider => new RedisLimitLedger(redis.Connection, redis.Keys, limits.Total, provider.GetRequiredService<TimeProvider>()));
        }
        else
        {
            services.AddSingleton<ILimitLedger>(provider => provider.GetRequiredService<LocalLimitLedger>());
            services.AddBackground<BudgetKeeper>();
        }
    }

    private static void AddApi(this IServiceCollection services)
    {
        services.AddSingleton<ContractReader>();
        services.AddSingleton<InteractionFinder>();
        services.AddSingleton<FeedbackStore>();
    }

    /// <summary>Registers a background service that other parts can also ask for.</summary>
    private static void AddBackground<T>(this IServiceCollection services)
        where T : class, IHostedService
    {
        services.AddSingleton<T>();
        services.AddHostedService(provider => provider.GetRequiredService<T>());
    }
}
