namespace Gateway.Jobs;

/// <summary>The parts of the learning loop.</summary>
internal static class LearningServices
{
    /// <summary>Registers the loop on the services of the front door.</summary>
    public static void AddLearning(this IServiceCollection services, LearningOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<ICandidateTraffic, CandidateTraffic>();
        services.AddSingleton<ITrainingLauncher, TrainingProcess>();
        services.AddSingleton<FrozenTests>();
        services.AddSingleton<TrainingJobs>();
        services.AddSingleton<RunSnapshot>();
        services.AddSingleton<JobRunner>();
        services.AddSingleton<RolloutStore>();
        services.AddSingleton<RolloutStarter>();
        services.AddHostedService<TrainingWorker>();
        services.AddHostedService<RolloutController>();
    }
}
