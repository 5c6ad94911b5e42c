namespace Gateway.Records;

/// <summary>The parts that keep, give out and remove records.</summary>
internal static class RecordsServices
{
    /// <summary>Registers them on an opened store.</summary>
    public static void AddRecords(this IServiceCollection services, RecordOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<RecordErasure>();
        services.AddSingleton<UserErasure>();
        services.AddSingleton<RetentionWorker>();
        services.AddHostedService(provider => provider.GetRequiredService<RetentionWorker>());
    }
}
