using Gateway.Api;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Jobs;
using Gateway.Records;
using Gateway.Security;
using Gateway.Storage;

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
        services.AddSingleton(_ => new WorkerClient(options.WorkerToken));
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
        services.AddBackground<DrainGate>();
        services.AddSingleton<EmbeddingsRoad>();
        services.AddBackground<InteractionRecorder>();
        services.AddBackground<WorkerHealthMonitor>();
        services.AddBackground<RoutingWatcher>();
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
