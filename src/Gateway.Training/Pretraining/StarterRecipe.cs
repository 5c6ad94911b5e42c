using Gateway.Model.Weights;

namespace Gateway.Training.Pretraining;

/// <summary>
/// The recipe of the starter base model: shape, tokenizer, mixture and optimiser. 3.88 M parameters; everything that is not
/// stated on the command line is here, so the model card can quote it whole.
/// </summary>
public static class StarterRecipe
{
    /// <summary>The special tokens; they take the first ids in this order.</summary>
    public static IReadOnlyList<string> SpecialTokens { get; } = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

    /// <summary>Separates documents and stands before the first token of running text.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>Closes a turn.</summary>
    public const string TurnEnd = "<|im_end|>";

    /// <summary>Size of the vocabulary, special tokens included.</summary>
    public const int VocabularySize = 4096;

    /// <summary>Tokens per optimiser step.</summary>
    public const int BatchTokens = 4096;

    /// <summary>Default length of the run in tokens.</summary>
    public const long DefaultTokens = 16_000_000;

    /// <summary>Longest document piece in the first part of the run.</summary>
    public const int ShortPiece = 384;

    /// <summary>Longest document piece in the last part: the model's whole context.</summary>
    public const int LongPiece = 1024;

    /// <summary>Share of the steps that use <see cref="ShortPiece"/>.</summary>
    public const double ShortPieceShare = 0.85;

    /// <summary>Peak learning rate of AdamW.</summary>
    public const double PeakLearningRate = 3e-3;

    /// <summary>Share of the steps spent on warm-up.</summary>
    public const double WarmupShare = 0.02;

    /// <summary>The network.</summary>
    public static ModelConfig Config { get; } = new()
    {
        Family = ModelFamily.Llama,
        HiddenSize = 256,
        IntermediateSize = 480,
        LayerCount = 5,
        HeadCount = 8,
        KeyValueHeadCount = 4,
        HeadDimension = 32,
        VocabularySize = VocabularySize,
        ContextLength = LongPiece,
        RmsNormEpsilon = 1e-5f,
        RopeTheta = 10_000,
        TiedEmbeddings = true,
        EndTokens = [0, 2],
    };

    /// <summary>
    /// Share of all training tokens by source prefix. Running text teaches the language; conversations and tasks teach the
    /// turn format. The tasks file is nine tenths command-line pages, which are held down.
    /// </summary>
    public static IReadOnlyList<(string Stream, double Share)> Mixture { get; } =
    [
        ("books", 0.52),
        ("self-dialogue-corpus", 0.23),
        ("taskmaster-4", 0.07),
        ("chatterbot-corpus", 0.01),
        ("tldr-pages", 0.09),
        ("gsm8k", 0.07),
        ("self-instruct", 0.01),
    ];

    /// <summary>
    /// The chat template: turns in ChatML form, assistant content and end mark inside generation blocks, so that training
    /// masks come from the template itself.
    /// </summary>
    public const string ChatTemplate =
        """
        {%- for message in messages %}
        {{- '<|im_start|>' + message['role'] + '\n' }}
        {%- if message['role'] == 'assistant' %}
        {%- generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}
        {%- else %}
        {{- message['content'] + '<|im_end|>' }}
        {%- endif %}
        {{- '\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|im_start|>assistant\n' }}
        {%- endif %}
        """;

    /// <summary>
    /// System prompts set before a quarter of the training conversations, so that a system turn is nothing new to the model.
    /// </summary>
    public static IReadOnlyList<string> SystemPrompts { get; } =
    [
        "You are a helpful assistant.",
        "You are a friendly assistant. Answer briefly.",
        "Talk with the user about what they like.",
        "Answer the question.",
    ];
}
